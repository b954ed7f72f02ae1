/** Values on their way to a caller that may read slowly. The iteration ends with the signal. */
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
   * Adds a value. False: the queue is full and takes none any more. The iteration then ends behind the values that wait, so a caller who asks again
   * goes on behind them.
   */
  push(value: T): boolean {
    // One value may be larger than the bound: a part has the size that it has.
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

/** The bytes of the texts and buffers in a value, about. */
function sizeOf(value: unknown): number {
  let size = 0
  // A call of itself for each level would end the stack at a deep value.
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
