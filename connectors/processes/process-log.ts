import type { Readable } from 'node:stream'
import type { Clock } from '../../processor/ports.ts'
import { type LoggedLine, loggedLine } from './logged-line.ts'

/**
 * Logs the lines of a process's standard error, within limits. A line is cut at `maxLineCharacters`. At most `maxLines` lines a second are logged,
 * and one more line reports the number of dropped lines. After `maxReadBytes` in a second, reading pauses. The process then blocks when it writes.
 */
export class ProcessLog {
  readonly #clock: Clock
  readonly #stream: Readable
  readonly #log: (line: LoggedLine) => void
  #rest = ''
  #lines = 0
  #readBytes = 0
  #leftOut = 0
  #isDraining = false
  #lastLines: string[] = []
  #cancelTimer: (() => void) | null = null

  constructor(stream: Readable, clock: Clock, log: (line: LoggedLine) => void) {
    this.#stream = stream
    this.#clock = clock
    this.#log = log
    // An error of the pipe needs no report: the `exit` event follows.
    stream.on('error', () => {})
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => this.#add(text))
    stream.on('end', () => this.#line(this.#rest))
  }

  /** The last few lines, shortened. They show why a process died. */
  get lastLines(): readonly string[] {
    return this.#lastLines
  }

  /** Reads the rest of a dead process's pipe. The limit of bytes a second does not hold for this rest. */
  drain(): void {
    this.#isDraining = true
    this.#stream.resume()
  }

  end(): void {
    this.#cancelTimer?.()
    this.#newSecond()
    this.#stream.destroy()
  }

  #add(text: string): void {
    this.#cancelTimer ??= this.#clock.after(1000, () => this.#newSecond())
    const lines = (this.#rest + text).split('\n')
    this.#rest = (lines.pop() ?? '').slice(0, maxLineCharacters)
    for (const line of lines) this.#line(line)
    this.#readBytes += text.length
    if (this.#readBytes > maxReadBytes && !this.#isDraining) this.#stream.pause()
  }

  #line(line: string): void {
    if (line.trim() === '') return
    if (this.#lastLines.length === maxLastLines) this.#lastLines.shift()
    const logged = loggedLine(line.slice(0, maxLineCharacters))
    this.#lastLines.push(logged.message.slice(0, maxLastLineCharacters))
    if (++this.#lines > maxLines) this.#leftOut++
    else this.#log(logged)
  }

  #newSecond(): void {
    if (this.#leftOut > 0) this.#log(loggedLine(`… ${this.#leftOut} more lines within a second were left out`))
    this.#lines = 0
    this.#readBytes = 0
    this.#leftOut = 0
    this.#cancelTimer = null
    this.#stream.resume()
  }
}

const maxLineCharacters = 8192
const maxLines = 200
const maxReadBytes = 4 * 1024 * 1024
const maxLastLines = 5
const maxLastLineCharacters = 500
