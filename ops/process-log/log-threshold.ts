import { type LogLevel, logLevels } from './log-line.ts'

/**
 * The lowest level of the shown lines, from the setting `log_level`: a level, a level for one module as `module=level`, or several of these with
 * commas. A module is a bee, a swarm, or a part of the process (`gateway`, `clickhouse`, `clock`).
 */
export class LogThreshold {
  /** The text that was parsed. */
  readonly text: string
  readonly #usual: number
  readonly #ofModule: ReadonlyMap<string, number>

  private constructor(text: string, usual: number, ofModule: ReadonlyMap<string, number>) {
    this.text = text
    this.#usual = usual
    this.#ofModule = ofModule
  }

  /** Parses a text that passes `isLogLevels`. If the text has no level without a module, the level for all other modules is `info`. */
  static parse(text: string): LogThreshold {
    let usual = rankOf('info')
    const ofModule = new Map<string, number>()
    for (const part of text.split(',')) {
      const [first = '', second] = part.split('=').map((word) => word.trim())
      if (second === undefined) usual = rankOf(first)
      else ofModule.set(first, rankOf(second))
    }
    return new LogThreshold(text, usual, ofModule)
  }

  /** True if a line is shown. The level of a module takes precedence over the level of the module's swarm. */
  shows(level: LogLevel, module: string, swarm?: string): boolean {
    const least = this.#ofModule.get(module) ?? (swarm === undefined ? undefined : this.#ofModule.get(swarm)) ?? this.#usual
    return rankOf(level) >= least
  }
}

/** True for a list of levels that `LogThreshold.parse` accepts. */
export function isLogLevels(text: string): boolean {
  return text.split(',').every((part) => /^\s*(?:[^=]*[^=\s]\s*=\s*)?(?:debug|info|warn|error)\s*$/.test(part))
}

const ranks: ReadonlyMap<string, number> = new Map(logLevels.map((level, rank) => [level, rank]))

function rankOf(level: string): number {
  return ranks.get(level) ?? 0
}
