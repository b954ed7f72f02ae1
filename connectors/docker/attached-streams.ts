import { PassThrough, type Readable } from 'node:stream'

/**
 * Splits the connection of an attached container into its standard output and standard error. Each piece of output is a frame:
 *
 *     stream (0 stdin, 1 stdout, 2 stderr), u8 │ 0 0 0 │ length, u32 big-endian │ bytes
 *
 * Both streams come over one connection. A log with a slow reader must not stop the other stream, so bytes that the reader does not take in time are
 * dropped.
 */
export class AttachedStreams {
  readonly #stdout = new PassThrough({ highWaterMark: maxHeldBytes })
  readonly #stderr = new PassThrough({ highWaterMark: maxHeldBytes })
  /** The number of dropped bytes of each log. */
  readonly #dropped = new Map<PassThrough, number>([[this.#stderr, 0]])
  #head = Buffer.alloc(0)
  /** The number of bytes of the current frame that are still to come. */
  #left = 0
  #isError = false

  get stdout(): Readable {
    return this.#stdout
  }

  get stderr(): Readable {
    return this.#stderr
  }

  /** Called when standard output turns out to be a log, because messages go over the socket. */
  stdoutIsLog(): void {
    this.#dropped.set(this.#stdout, 0)
  }

  /** Takes bytes of the connection. A chunk may begin and end anywhere in a frame. */
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
    for (const stream of [this.#stdout, this.#stderr]) {
      this.#tellDropped(stream)
      stream.end()
    }
  }

  #give(piece: Buffer): void {
    const stream = this.#isError ? this.#stderr : this.#stdout
    const dropped = this.#dropped.get(stream)
    if (dropped !== undefined && stream.writableLength > maxHeldBytes) {
      this.#dropped.set(stream, dropped + piece.length)
      return
    }
    this.#tellDropped(stream)
    stream.write(piece)
  }

  #tellDropped(stream: PassThrough): void {
    const bytes = this.#dropped.get(stream) ?? 0
    if (bytes === 0) return
    stream.write(`\n… ${bytes} bytes were left out\n`)
    this.#dropped.set(stream, 0)
  }
}

const headBytes = 8
const maxHeldBytes = 1024 * 1024
