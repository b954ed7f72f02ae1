import type { Clock } from '../../processor/ports.ts'
import { auditModule } from './audit-line.ts'
import { LineWindows } from './line-windows.ts'
import type { LogLine } from './log-line.ts'

/**
 * Bounds the rate of the log: a thousand lines of a module of a swarm in each window of `LineWindows`. A bee that prints without end therefore fills
 * neither a disk nor a collector. Audit lines for calls with permission are not bounded: otherwise a caller without a token could use up the bound,
 * and hide a call.
 */
export class BoundedLines {
  readonly #say: LogLine
  /** The windows. A kind is a swarm and a module, so the number of kinds is bounded by the number of bees and of the process's parts. */
  readonly #windows: LineWindows

  constructor({ say, clock }: { readonly say: LogLine; readonly clock: Clock }) {
    this.#say = say
    this.#windows = new LineWindows({ say, clock, maxLines: 1000, leftOut: (count) => `${count} more lines were left out of this log` })
  }

  readonly say: LogLine = (module, level, message, fields) => {
    const swarm = fields?.swarm
    const isAudited = module === auditModule && swarm === undefined && fields?.refused !== true
    if (isAudited || this.#windows.lets(`${swarm ?? ''}\n${module}`, module, swarm === undefined ? {} : { swarm }))
      this.#say(module, level, message, fields)
  }

  /** Writes the numbers of omitted lines. */
  close(): void {
    this.#windows.close()
  }
}
