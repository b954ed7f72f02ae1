import { decodeHello, decodeResult, type Form, protocolError, type Result } from './message.ts'

export type Heard = { readonly kind: 'hello'; readonly form: Form } | ({ readonly kind: 'result' } & Result)

/** A process's standard output, cut into messages: a hello, then lines or frames as it said. */
export class MessageStream {
  readonly #bee: string
  readonly #maxBytes: number
  #form: Form | null = null
  #chunks: Buffer[] = []
  #length = 0

  constructor(bee: string, maxBytes: number) {
    this.#bee = bee
    this.#maxBytes = maxBytes
  }

  /** What has come whole. Throws WAGGLE_BEE_PROTOCOL; the stream is of no use any more then. */
  *push(chunk: Buffer): IterableIterator<Heard> {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    for (let heard = this.#next(chunk); heard !== null; heard = this.#next(null)) yield heard
  }

  /** `added`: only this is new since the last look. */
  #next(added: Buffer | null): Heard | null {
    return this.#form === 'binary' ? this.#frame() : this.#line(added)
  }

  #line(added: Buffer | null): Heard | null {
    if (added !== null && !added.includes(newline)) {
      this.#bound(this.#length)
      return null
    }
    const all = this.#all()
    const end = all.indexOf(newline)
    if (end < 0) {
      this.#bound(all.length)
      return null
    }
    const line = all.subarray(0, end)
    this.#keep(all.subarray(end + 1))
    if (line.length === 0) return this.#line(null)
    if (this.#form !== null) return { kind: 'result', ...decodeResult(line, empty, this.#bee) }
    this.#form = decodeHello(line, this.#bee)
    return { kind: 'hello', form: this.#form }
  }

  #frame(): Heard | null {
    if (this.#length < 8) return null
    const first = this.#chunks[0]?.length === undefined || this.#chunks[0].length < 8 ? this.#all() : this.#chunks[0]
    const headLength = first.readUInt32LE(0)
    const bodyLength = first.readUInt32LE(4)
    this.#bound(headLength + bodyLength)
    const end = 8 + headLength + bodyLength
    if (this.#length < end) return null
    const all = this.#all()
    this.#keep(all.subarray(end))
    return { kind: 'result', ...decodeResult(all.subarray(8, 8 + headLength), all.subarray(8 + headLength, end), this.#bee) }
  }

  #all(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? empty
  }

  #keep(rest: Buffer): void {
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#length = rest.length
  }

  #bound(bytes: number): void {
    if (bytes > this.#maxBytes) throw protocolError(this.#bee, `a message of more than ${this.#maxBytes} bytes`)
  }
}

const newline = 0x0a
const empty = Buffer.alloc(0)
