/** Values on their way to a caller that may read slowly. The iteration ends with the signal. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly signal: AbortSignal
  readonly #waiting: T[] = []
  #wake = () => {}
  #isOver = false

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /** Adds a value. A queue whose caller reads nothing is given up at its bound. */
  push(value: T): void {
    if (this.#waiting.length >= maxWaiting) this.#isOver = true
    else this.#waiting.push(value)
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (!this.signal.aborted && !this.#isOver) {
      const next = this.#waiting.shift()
      if (next !== undefined) yield next
      else await this.#pushed()
    }
  }

  #pushed(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.signal.removeEventListener('abort', wake)
        this.#wake = () => {}
        resolve()
      }
      this.#wake = wake
      this.signal.addEventListener('abort', wake, { once: true })
      if (this.signal.aborted) wake()
    })
  }
}

const maxWaiting = 10_000
