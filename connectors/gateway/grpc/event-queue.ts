import { WaitingEvents } from '../waiting-events.ts'

/** Events on their way to a caller that may read slowly. The iteration ends with the signal. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly signal: AbortSignal
  readonly #waiting = new WaitingEvents<T>()
  #wake = () => {}
  #isOver = false

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /**
   * Adds an event with texts of this many characters. False: the queue is full and takes none any more. The iteration then ends behind the events that
   * wait, so a caller who asks again goes on behind them.
   */
  push(event: T, characters: number): boolean {
    if (!this.#isOver && !this.#waiting.add(event, characters * bytesOfCharacter)) this.#isOver = true
    this.#wake()
    return !this.#isOver
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (!this.signal.aborted) {
      const next = this.#waiting.take()
      if (next !== undefined) yield next
      else if (this.#isOver) return
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

/** V8 keeps a text with one letter beyond Latin-1 in two bytes a character. */
const bytesOfCharacter = 2
