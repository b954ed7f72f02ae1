/** A wait that ends after its time, or earlier where something happens. One at a time. */
export class InterruptibleWait {
  readonly #clock: Timers
  #end: (() => void) | null = null
  #isWoken = false

  constructor(clock: Timers) {
    this.#clock = clock
  }

  /** Waits for `maxWaitMs`, or until `end` or `wakeup`. */
  for(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel()
        this.#end = null
        resolve()
      }
      const cancel = this.#clock.after(maxWaitMs, done)
      this.#end = done
    })
  }

  /** Ends the wait that is under way. Where there is none, nothing happens. */
  end(): void {
    this.#end?.()
  }

  /** Ends the wait that is under way. Where there is none, the next `takeWakeup` returns true. */
  wakeup(): void {
    if (this.#end === null) this.#isWoken = true
    else this.#end()
  }

  /** True where `wakeup` was called outside of a wait since the last call. */
  takeWakeup(): boolean {
    const isWoken = this.#isWoken
    this.#isWoken = false
    return isWoken
  }
}

/** The part of a clock that calls back after a delay. The returned function cancels the call. */
interface Timers {
  after(delayMs: number, callback: () => void): () => void
}
