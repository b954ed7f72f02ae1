/** A wait that ends after its time, or when somebody ends it. There is one wait at a time. */
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

  /** Ends the current wait, if there is one. */
  end(): void {
    this.#end?.()
  }

  /** Ends the current wait. Without a wait, the next `takeWakeup` returns true. */
  wakeup(): void {
    if (this.#end === null) this.#isWoken = true
    else this.#end()
  }

  /** True if `wakeup` was called outside of a wait since the last call of `takeWakeup`. */
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
