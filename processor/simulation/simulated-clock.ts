import type { Clock } from '../ports.ts'

/** A clock that moves only on request. Timers fire in the order of their times. Timers of the same time fire in the order in which they were set. */
export class SimulatedClock implements Clock {
  #now: number
  #timers: { readonly at: number; readonly callback: () => void }[] = []

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs
  }

  now(): number {
    return Math.floor(this.#now)
  }

  elapsedMs(): number {
    return this.#now
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, delayMs), callback }
    const before = this.#timers.findIndex(({ at }) => at > timer.at)
    this.#timers.splice(before < 0 ? this.#timers.length : before, 0, timer)
    return () => {
      this.#timers = this.#timers.filter((one) => one !== timer)
    }
  }

  /** Runs everything that is ready: promises settle, and loops reach their next wait. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Moves on by `ms`. Each due timer fires at its own time, and its consequences run. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await this.settle()
    for (let timer = this.#timers[0]; timer !== undefined && timer.at <= end; timer = this.#timers[0]) {
      this.#timers.shift()
      this.#now = timer.at
      timer.callback()
      await this.settle()
    }
    this.#now = end
  }

  /** Moves from timer to timer until `happened` returns true. Throws after `withinMs` of simulated time. */
  async until(happened: () => boolean, withinMs = 3_600_000): Promise<void> {
    const end = this.#now + withinMs
    for (;;) {
      await this.settle()
      if (happened()) return
      const timer = this.#timers.shift()
      if (timer === undefined) throw new Error('Nothing is waiting for time to pass, and it has not happened')
      if (timer.at > end) throw new Error(`It has not happened within ${withinMs} ms of simulated time`)
      this.#now = timer.at
      timer.callback()
    }
  }
}

/**
 * The turns of the event loop that `settle` waits for. Several are needed: the engine's loop yields between its passes, and a timer may cause several
 * passes.
 */
const turns = 4
