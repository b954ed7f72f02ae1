import type { Clock } from '../../processor/ports.ts'
import { auditModule } from './audit-line.ts'
import type { LogFields, LogLine } from './log-line.ts'

/**
 * Bounds the rate of the log. A module of a swarm gets at most `maxLines` lines within `windowMs`. Then one more line has the number of lines that were
 * left out. A bee that prints without end fills neither a disk nor a collector. Lines of the audit log about calls of callers with permission have no bound:
 * otherwise somebody without a token could use the bound up, and hide a call.
 */
export class BoundedLines {
  readonly #say: LogLine
  readonly #clock: Clock
  /** The windows by swarm and module. Their number is bounded by the number of bees and of the process's parts. */
  readonly #windows = new Map<string, Window>()

  constructor({ say, clock }: { readonly say: LogLine; readonly clock: Clock }) {
    this.#say = say
    this.#clock = clock
  }

  readonly say: LogLine = (module, level, message, fields) => {
    if (module === auditModule && fields?.swarm === undefined && fields?.refused !== true) {
      this.#say(module, level, message, fields)
      return
    }
    const key = `${fields?.swarm ?? ''}\n${module}`
    const window = this.#windows.get(key) ?? this.#begin(key, module, fields)
    if (++window.lines <= maxLines) this.#say(module, level, message, fields)
  }

  /** Ends all windows, and writes the numbers of lines that were left out. */
  close(): void {
    for (const [key, window] of this.#windows) this.#end(key, window)
  }

  #begin(key: string, module: string, fields: LogFields | undefined): Window {
    const swarm = fields?.swarm === undefined ? {} : { swarm: fields.swarm }
    const window: Window = { module, fields: swarm, lines: 0, cancel: this.#clock.after(windowMs, () => this.#end(key, window)) }
    this.#windows.set(key, window)
    return window
  }

  #end(key: string, { module, fields, lines, cancel }: Window): void {
    cancel()
    this.#windows.delete(key)
    const left_out = lines - maxLines
    if (left_out > 0) this.#say(module, 'warn', `${left_out} more lines were left out of this log`, { ...fields, left_out })
  }
}

interface Window {
  readonly module: string
  readonly fields: LogFields
  readonly cancel: () => void
  lines: number
}

const maxLines = 1000
const windowMs = 10_000
