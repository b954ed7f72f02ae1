import { systemClock } from '../../connectors/system/system-clock.ts'
import { isAtTerminal } from './hangup.ts'

/**
 * Waits for the first signal that asks the process to end. Half a second later, or after `release`, the handlers are removed, and the next signal
 * ends the process at once, even while native code or a module blocks the process. One Ctrl-C may send several signals, from the terminal and from
 * npm. All signals within half a second therefore count as one signal.
 */
export class StopSignal {
  /** Settles at the first signal. */
  readonly asked: Promise<void>
  readonly #abort = new AbortController()

  constructor(onFirst: () => void) {
    this.asked = new Promise((settle) => {
      let isAsked = false
      const stop = () => {
        if (isAsked) return
        isAsked = true
        systemClock.after(sameSignalMs, () => this.release())
        onFirst()
        this.#abort.abort()
        settle()
      }
      for (const signal of signals) process.on(signal, stop)
    })
  }

  /** Aborts at the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  release(): void {
    for (const signal of signals) process.removeAllListeners(signal)
  }
}

/**
 * The signals that stop the process. A process without a terminal reads its settings again at SIGHUP (`reloadAtHangup`), so SIGHUP does not stop such
 * a process.
 */
const signals = isAtTerminal() ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT', 'SIGTERM'] as const)
const sameSignalMs = 500
