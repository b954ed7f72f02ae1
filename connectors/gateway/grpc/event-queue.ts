import { WaitingEvents } from '../waiting-events.ts'

/** Events on their way to a caller that may read slowly. The iteration ends when the signal aborts. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly signal: AbortSignal
  readonly #waiting = new WaitingEvents<T>()
  #wake = () => {}
  #isOver = false

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /**
   * Adds an event whose texts have this many characters. Returns false if the queue is full; a full queue accepts no more events. The iteration then
   * ends after the waiting events, and the caller can ask again to continue after the last event that arrived.
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

/** V8 stores a text with two bytes per character if the text has one letter beyond Latin-1. */
const bytesOfCharacter = 2
