import { systemClock } from '../../connectors/system/system-clock.ts'
import { isAtTerminal } from './hangup.ts'

/**
 * The first signal that ends a process. From half a second later, or from `release` on, the system's own answer to the next signal is back: it ends the process at
 * once, even while native code or a module blocks it. One Ctrl-C may send several signals, from the terminal and from npm, so those of half a second count as one.
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

/** A process that has no terminal reads its settings again at SIGHUP (`reloadAtHangup`). */
const signals = isAtTerminal() ? (['SIGINT', 'SIGTERM', 'SIGHUP'] as const) : (['SIGINT', 'SIGTERM'] as const)
const sameSignalMs = 500
