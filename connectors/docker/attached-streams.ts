import { PassThrough, type Readable } from 'node:stream'

/**
 * Splits the connection of an attached container into its standard output and standard error. Each piece of output is a frame:
 *
 *     stream (0 stdin, 1 stdout, 2 stderr), u8 │ 0 0 0 │ length, u32 big-endian │ bytes
 *
 * Both come over one connection, so a reader of standard error that waits must not stop standard output: what it does not take in time is dropped.
 */
export class AttachedStreams {
  /** Standard error. It ends with `end`. */
  readonly stderr: Readable
  readonly #stderr = new PassThrough({ highWaterMark: maxHeldBytes })
  readonly #stdout: (chunk: Buffer) => void
  #head = Buffer.alloc(0)
  /** The rest of the frame that has begun. */
  #left = 0
  #isError = false
  #droppedBytes = 0

  constructor(stdout: (chunk: Buffer) => void) {
    this.#stdout = stdout
    this.stderr = this.#stderr
  }

  /** Takes bytes of the connection, cut anywhere. */
  push(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#left > 0) {
        const piece = rest.subarray(0, this.#left)
        this.#left -= piece.length
        rest = rest.subarray(piece.length)
        this.#give(piece)
        continue
      }
      const missing = headBytes - this.#head.length
      this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)])
      rest = rest.subarray(missing)
      if (this.#head.length < headBytes) return
      this.#isError = this.#head[0] === 2
      this.#left = this.#head.readUInt32BE(4)
      this.#head = Buffer.alloc(0)
    }
  }

  end(): void {
    this.#tellDropped()
    this.#stderr.end()
  }

  #give(piece: Buffer): void {
    if (!this.#isError) this.#stdout(piece)
    else if (this.#stderr.writableLength > maxHeldBytes) this.#droppedBytes += piece.length
    else {
      this.#tellDropped()
      this.#stderr.write(piece)
    }
  }

  #tellDropped(): void {
    if (this.#droppedBytes > 0) this.#stderr.write(`\n… ${this.#droppedBytes} bytes of standard error were left out\n`)
    this.#droppedBytes = 0
  }
}

const headBytes = 8
const maxHeldBytes = 1024 * 1024
