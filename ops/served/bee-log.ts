import type { Clock } from '../../processor/ports.ts'
import type { BeeLine } from '../../topology/swarm/swarm-management.ts'
import type { LogLine } from '../process-log/log-line.ts'

/** The last lines that each bee has in the log of this process. The number of bees and of lines is bounded. */
export class BeeLog {
  readonly #clock: Pick<Clock, 'now'>
  readonly #lines = new Map<string, BeeLine[]>()
  #sequence = 0

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** The same log, whose lines are kept here too. */
  keeping(say: LogLine): LogLine {
    return (module, level, message, fields) => {
      const { swarm } = fields ?? {}
      if (swarm !== undefined && module !== '') this.#keep(`${swarm}\n${module}`, { level, message })
      say(module, level, message, fields)
    }
  }

  /** The kept lines of a bee after the one with this sequence number. */
  of(swarm: string, bee: string, after: number): readonly BeeLine[] {
    return (this.#lines.get(`${swarm}\n${bee}`) ?? []).filter(({ sequence }) => sequence > after)
  }

  #keep(bee: string, line: Pick<BeeLine, 'level' | 'message'>): void {
    const lines = this.#lines.get(bee) ?? []
    // The bee with the newest line is the last one of the map.
    this.#lines.delete(bee)
    this.#lines.set(bee, lines)
    lines.push({ sequence: ++this.#sequence, time: this.#clock.now(), level: line.level, message: line.message.slice(0, maxCharacters) })
    if (lines.length > maxLines) lines.shift()
    for (const oldest of this.#lines.keys()) {
      if (this.#lines.size <= maxBees) break
      this.#lines.delete(oldest)
    }
  }
}

const maxLines = 200
const maxBees = 1000
const maxCharacters = 4000
