import { takeWrites } from '../../bees/module/taken-writes.ts'
import type { Printer } from '../../topology/swarm/ports/printing.ts'

/** The parts of a standard stream that a command writes to. */
export type OutputStream = Pick<NodeJS.WriteStream, 'write' | 'isTTY'>

export interface CapturedOutputOptions {
  readonly onLine: (line: string, printer: Printer | null) => void
  /** The printer of the code that writes at the moment; null if the code belongs to no bee. */
  readonly printer: () => Printer | null
  /** True if the stream shows the text too. False if programs read the stream, which then gets only what `own` writes. */
  readonly isShown: boolean
}

/**
 * Takes the text that modules write to a standard stream, for example by `console.log`, and passes it to `onLine` line by line. `own` still writes to
 * the stream. Text that native code writes to the descriptor is not taken.
 */
export class CapturedOutput {
  readonly own: OutputStream
  readonly #options: CapturedOutputOptions
  readonly #release: () => void
  #partial = ''
  /** The printer of the unfinished line. */
  #printer: Printer | null = null

  constructor(stream: NodeJS.WriteStream, options: CapturedOutputOptions) {
    this.#options = options
    const write = stream.write.bind(stream)
    this.own = { isTTY: stream.isTTY, write }
    this.#release = takeWrites(stream, (text, chunk) => {
      if (options.isShown) write(chunk)
      this.#take(text)
    })
  }

  /** Ends the capture. The stream gets its own `write` back, and `onLine` gets an unfinished line. */
  release(): void {
    this.#release()
    this.#end()
  }

  #take(text: string): void {
    const printer = this.#options.printer()
    // Each line belongs to one bee, so an unfinished line ends where another bee begins to write.
    if (printer !== this.#printer) this.#end()
    this.#printer = printer
    const lines = (this.#partial + text).split('\n')
    this.#partial = lines.pop() ?? ''
    for (const line of lines) this.#options.onLine(line.replace(/\r$/, ''), printer)
    if (this.#partial.length > maxLineCharacters) this.#end()
  }

  #end(): void {
    const line = this.#partial
    this.#partial = ''
    if (line !== '') this.#options.onLine(line, this.#printer)
  }
}

const maxLineCharacters = 64 * 1024
