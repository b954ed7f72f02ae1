/**
 * The number of characters that a thread has printed and the process has not read. Both threads share it. A thread that prints faster than the
 * process reads drops text, so that the text fills no memory.
 */
export class UnreadPrints {
  readonly memory: SharedArrayBuffer
  readonly #count: Int32Array
  /** The characters that this thread has dropped since the last text that it sent. */
  #dropped = 0

  constructor(memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#count = new Int32Array(memory)
  }

  /** The text to send in place of a printed text: with a note on dropped text before it, or cut; null if it is dropped. */
  sent(printed: string): string | null {
    const room = mostUnread - Atomics.load(this.#count, 0) - messageSize
    if (room < Math.min(printed.length, mostUnread / 2)) {
      this.#dropped += printed.length
      return null
    }
    const cut = printed.length > room ? `${printed.slice(0, room)}…\n` : printed
    const text = this.#dropped === 0 ? cut : `[${this.#dropped} characters were printed faster than they could be read, and are left out]\n${cut}`
    this.#dropped = 0
    Atomics.add(this.#count, 0, messageSize + text.length)
    return text
  }

  read(text: string): void {
    Atomics.sub(this.#count, 0, messageSize + text.length)
  }
}

const mostUnread = 1024 * 1024
/** The size of a message without its text, so that empty texts have a bound too. */
const messageSize = 100
