import type { Clock } from '../../processor/ports.ts'
import type { LogFields, LogLine } from './log-line.ts'

export interface LineWindowsOptions {
  readonly say: LogLine
  readonly clock: Clock
  /** The most lines of one kind within a window. */
  readonly maxLines: number
  /** The text of the line with the number of omitted lines. */
  readonly leftOut: (count: number, fields: LogFields) => string
}

/**
 * Bounds the lines of each kind. The first line of a kind begins a window of ten seconds, which passes `maxLines` lines. At its end, one more line
 * reports the number of omitted lines.
 */
export class LineWindows {
  readonly #options: LineWindowsOptions
  /** The windows by kind. The caller bounds the number of kinds. */
  readonly #windows = new Map<string, Window>()

  constructor(options: LineWindowsOptions) {
    this.#options = options
  }

  /** True if one more line of this kind may be written. `fields` are the fields of the line about omitted lines. */
  lets(kind: string, module: string, fields: LogFields): boolean {
    const window = this.#windows.get(kind) ?? this.#begin(kind, module, fields)
    return ++window.lines <= this.#options.maxLines
  }

  /** Ends all windows, and writes the numbers of omitted lines. */
  close(): void {
    for (const [kind, window] of this.#windows) this.#end(kind, window)
  }

  #begin(kind: string, module: string, fields: LogFields): Window {
    const window: Window = { module, fields, lines: 0, cancel: this.#options.clock.after(windowMs, () => this.#end(kind, window)) }
    this.#windows.set(kind, window)
    return window
  }

  #end(kind: string, { module, fields, lines, cancel }: Window): void {
    const { say, maxLines, leftOut } = this.#options
    cancel()
    this.#windows.delete(kind)
    const left_out = lines - maxLines
    if (left_out > 0) say(module, 'warn', leftOut(left_out, fields), { ...fields, left_out })
  }
}

interface Window {
  readonly module: string
  readonly fields: LogFields
  readonly cancel: () => void
  lines: number
}

const windowMs = 10_000
