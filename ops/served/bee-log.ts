import type { Clock } from '../../processor/ports.ts'
import type { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { BeeLine } from '../../topology/swarm/swarm-management.ts'
import type { LogLine } from '../process-log/log-line.ts'

/** The last log lines of each bee in this process, without secrets. The number of lines of a bee is bounded, and so is the memory of all lines. */
export class BeeLog {
  readonly #clock: Pick<Clock, 'now'>
  readonly #lines = new Map<string, BeeLine[]>()
  #sequence = 0
  #characters = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Wraps a log, so that this object also keeps each line. */
  keeping(say: LogLine, redaction: Redaction): LogLine {
    return (module, level, message, fields) => {
      const { swarm, request_id: id } = fields ?? {}
      if (swarm !== undefined && module !== '') {
        const line = { level, message: redaction.text(message).slice(0, maxCharactersALine) }
        this.#keep(`${swarm}\n${module}`, id === undefined ? line : { ...line, request_id: id.slice(0, maxIdCharacters) })
      }
      say(module, level, message, fields)
    }
  }

  /** The kept lines of a bee after the line with this sequence number. */
  of(swarm: string, bee: string, after: number): readonly BeeLine[] {
    return (this.#lines.get(`${swarm}\n${bee}`) ?? []).filter(({ sequence }) => sequence > after)
  }

  #keep(bee: string, line: Omit<BeeLine, 'sequence' | 'time'>): void {
    const lines = this.#lines.get(bee) ?? []
    // The map is ordered: the bee with the newest line is last.
    this.#lines.delete(bee)
    this.#lines.set(bee, lines)
    lines.push({ sequence: ++this.#sequence, time: this.#clock.now(), ...line })
    this.#characters += line.message.length + charactersBesideALine
    if (lines.length > maxLinesABee) this.#drop(lines)
    // The bee that has been silent for the longest time loses its lines first.
    for (const [silent, old] of this.#lines) {
      while (this.#characters > maxCharacters && old.length > 0) this.#drop(old)
      if (old.length > 0) break
      this.#lines.delete(silent)
    }
  }

  #drop(lines: BeeLine[]): void {
    const line = lines.shift()
    if (line !== undefined) this.#characters -= line.message.length + charactersBesideALine
  }
}

const maxLinesABee = 200
const maxCharactersALine = 4000
const maxIdCharacters = 256
const maxCharacters = 4 * 1024 * 1024
/** The memory of a line's other members, counted in characters. */
const charactersBesideALine = 160
