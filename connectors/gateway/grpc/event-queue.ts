/** Values on their way to a caller that may read slowly. The iteration ends when the signal aborts. */
export class EventQueue<T> implements AsyncIterable<T> {
  readonly signal: AbortSignal
  readonly #waiting: { readonly value: T; readonly size: number }[] = []
  #size = 0
  #wake = () => {}
  #isOver = false

  constructor(signal: AbortSignal) {
    this.signal = signal
  }

  /**
   * Adds a value. Returns false if the queue is full; the queue then accepts no more values. The iteration ends after the queued values, so a caller
   * that asks again continues after them.
   */
  push(value: T): boolean {
    // A single value may be larger than the bound, because a part of a result may have any size.
    if (this.#waiting.length >= maxWaiting || this.#size >= maxBytes) this.#isOver = true
    if (!this.#isOver) {
      const size = sizeOf(value)
      this.#waiting.push({ value, size })
      this.#size += size
    }
    this.#wake()
    return !this.#isOver
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (!this.signal.aborted) {
      const next = this.#waiting.shift()
      if (next !== undefined) {
        this.#size -= next.size
        yield next.value
      } else if (this.#isOver) return
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

/** The approximate number of bytes of the texts and buffers in a value. */
function sizeOf(value: unknown): number {
  let size = 0
  // A recursive call for each level would overflow the stack for a deeply nested value.
  const open = [value]
  while (open.length > 0) {
    const one = open.pop()
    if (typeof one === 'string') size += one.length
    else if (ArrayBuffer.isView(one)) size += one.byteLength
    else if (typeof one === 'object' && one !== null) for (const inner of one instanceof Map ? one.values() : Object.values(one)) open.push(inner)
  }
  return size
}

const maxWaiting = 10_000
const maxBytes = 1024 * 1024
