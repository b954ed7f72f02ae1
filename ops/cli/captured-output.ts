import { StringDecoder } from 'node:string_decoder'

/** The parts of a standard stream that a command writes to. */
export type OutputStream = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>

/**
 * Takes the text that modules write to a standard stream, for example by `console.log`, and passes it to `onLine` line by line. A program that reads
 * the command's output therefore gets only JSON. `own` still writes to the stream. Text that native code writes to the descriptor is not taken.
 */
export class CapturedOutput {
  readonly own: OutputStream
  readonly #stream: NodeJS.WriteStream
  readonly #write: NodeJS.WriteStream['write']
  readonly #onLine: (line: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #partial = ''

  constructor(stream: NodeJS.WriteStream, onLine: (line: string) => void) {
    this.#stream = stream
    this.#write = stream.write
    this.#onLine = onLine
    this.own = { isTTY: stream.isTTY, write: this.#write.bind(stream) }
    stream.write = ((chunk: unknown, encoding?: unknown, written?: unknown) => {
      this.#take(typeof chunk === 'string' ? chunk : this.#decoder.write(chunk as Buffer))
      const done = typeof encoding === 'function' ? encoding : written
      if (typeof done === 'function') process.nextTick(done)
      return true
    }) as NodeJS.WriteStream['write']
  }

  /** Ends the capture. The stream gets its own `write` back, and `onLine` gets an unfinished line. */
  release(): void {
    this.#stream.write = this.#write
    if (this.#partial !== '') this.#onLine(this.#partial)
    this.#partial = ''
  }

  #take(text: string): void {
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) this.#onLine(line.replace(/\r$/, ''))
    if (this.#partial.length <= maxLineCharacters) return
    this.#onLine(this.#partial)
    this.#partial = ''
  }
}

const maxLineCharacters = 64 * 1024
