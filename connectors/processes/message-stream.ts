import { decodeOpening, type Opening } from './hello.ts'
import { decodeMessage, type Form, type Part, type Pong, type Result, type WindowChange } from './message-codec.ts'
import { protocolError } from './protocol-fault.ts'

export type Heard = Opening | Result | Part | WindowChange | Pong

/** Splits the output of a process into messages. The hello says whether lines or frames follow. */
export class MessageStream {
  readonly #bee: string
  readonly #maxBytes: number
  #form: Form | null = null
  #chunks: Buffer[] = []
  #length = 0
  #blankLines = 0

  constructor(bee: string, maxBytes: number) {
    this.#bee = bee
    this.#maxBytes = maxBytes
  }

  /** The number of bytes that are held of the incomplete message. */
  get heldBytes(): number {
    return this.#length
  }

  /** Returns the messages that this chunk completes. Throws WAGGLE_BEE_PROTOCOL. After an error the stream cannot be used. */
  *push(chunk: Buffer): IterableIterator<Heard> {
    this.#add(chunk)
    for (let heard = this.#next(chunk); heard !== null; heard = this.#next(null)) yield heard
  }

  /** Appends a chunk. Small chunks are joined, so that a message that arrives byte by byte takes no more memory than a message that arrives whole. */
  #add(chunk: Buffer): void {
    const last = this.#chunks.at(-1)
    if (last !== undefined && last.length + chunk.length <= smallChunkBytes) this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, chunk])
    else this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /** Returns the next message. `added` is the only new chunk since the last call; null means that all held bytes are searched. */
  #next(added: Buffer | null): Heard | null {
    return this.#form === 'binary' ? this.#frame() : this.#line(added)
  }

  #line(added: Buffer | null): Heard | null {
    if (added !== null && !added.includes(newline)) {
      this.#bound(this.#length)
      return null
    }
    const all = this.#all()
    let start = 0
    let end = all.indexOf(newline)
    for (; end === start; end = all.indexOf(newline, start)) {
      start++
      if (++this.#blankLines > maxBlankLines) throw protocolError(this.#bee, `${maxBlankLines} blank lines without a message between them`)
    }
    if (end < 0) {
      this.#keep(all.subarray(start))
      this.#bound(this.#length)
      return null
    }
    const line = all.subarray(start, end)
    this.#bound(line.length)
    this.#keep(all.subarray(end + 1))
    this.#blankLines = 0
    if (this.#form !== null) return decodeMessage(line, empty, this.#bee)
    const opening = decodeOpening(line, this.#bee)
    if (opening.kind === 'hello') this.#form = opening.form
    return opening
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
    return decodeMessage(all.subarray(8, 8 + headLength), all.subarray(8 + headLength, end), this.#bee)
  }

  #all(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? empty
  }

  /** Copies the rest after a message, so that a small rest does not keep the large message in memory. */
  #keep(rest: Buffer): void {
    const kept = rest.length <= smallChunkBytes && rest.buffer.byteLength > 16 * smallChunkBytes ? Buffer.from(rest) : rest
    this.#chunks = kept.length === 0 ? [] : [kept]
    this.#length = kept.length
  }

  #bound(bytes: number): void {
    const maxBytes = this.#form === null ? Math.min(maxHelloBytes, this.#maxBytes) : this.#maxBytes
    if (bytes > maxBytes) throw protocolError(this.#bee, `a message of more than ${maxBytes} bytes`)
  }
}

const newline = 0x0a
const empty = Buffer.alloc(0)
const smallChunkBytes = 4096
const maxHelloBytes = 64 * 1024
const maxBlankLines = 1000
