import type { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import { maxAnswerRows } from '../../connectors/clickhouse/prediction-questions.ts'
import type { Clock } from '../../processor/ports.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { AskedNumbers, PredictionAnswer, PredictionNumbers, PredictionTableRow } from '../../topology/swarm/prediction-numbers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

interface SavedPredictionsOptions {
  readonly clock: Clock
  /** The plans of the swarms that run in this process. */
  readonly plans: readonly SwarmPlan[]
  readonly database: () => Promise<Pick<ClickHouseDatabase, 'answer'>>
}

/** Answers questions about saved predictions. Answers are cached for some seconds, so that many open pages cost one query. */
export class SavedPredictions implements PredictionNumbers {
  readonly #options: SavedPredictionsOptions
  readonly #answers = new Map<string, { readonly untilMs: number; readonly answer: Promise<PredictionAnswer> }>()
  #open = 0

  constructor(options: SavedPredictionsOptions) {
    this.#options = options
  }

  tables(): readonly PredictionTableRow[] {
    return this.#options.plans.flatMap(({ swarm, bees }) =>
      bees.flatMap(({ name, type, spec }) =>
        type.type === 'save-to-database' && typeof spec.table === 'string' ? [{ swarm, bee: name, table: spec.table }] : [],
      ),
    )
  }

  async ask(asked: AskedNumbers): Promise<PredictionAnswer> {
    const { swarm, table, question, hours } = asked
    const tables = this.tables().filter((row) => row.swarm === swarm)
    if (tables.every((row) => row.table !== table)) {
      throw new WaggleError('WAGGLE_UNKNOWN_BEE', {
        message: `No bee of the swarm ${swarm.slice(0, 100)} here saves into a table ${table.slice(0, 100)}`,
        next: tables.length === 0 ? 'Add a save-to-database bee to the swarm.' : `Use one of: ${tables.map((row) => row.table).join(', ')}.`,
      })
    }
    const key = JSON.stringify([swarm, table, question, hours])
    const nowMs = this.#options.clock.elapsedMs()
    const kept = this.#answers.get(key)
    if (kept !== undefined && kept.untilMs > nowMs) return kept.answer
    if (this.#open >= maxOpen)
      throw new WaggleError('WAGGLE_OVERLOADED', { message: `${maxOpen} other questions are open`, next: 'Ask again in a moment.' })
    this.#answers.delete(key)
    for (const [other, { untilMs }] of this.#answers) if (untilMs <= nowMs || this.#answers.size >= maxKept) this.#answers.delete(other)
    const answer = this.#ask(asked)
    this.#answers.set(key, { untilMs: nowMs + keptMs, answer })
    // A failure is not cached: the next call asks again.
    answer.catch(() => this.#answers.delete(key))
    return answer
  }

  async #ask(asked: AskedNumbers): Promise<PredictionAnswer> {
    const { swarm, table, question, hours } = asked
    const span = hours * 3_600_000
    const step = span / points
    // The last point is complete: a time within the current step belongs to the last point.
    const to = (Math.floor(this.#options.clock.now() / step) + 1) * step
    const from = to - span
    this.#open++
    try {
      const rows = await (await this.#options.database()).answer(table, question, { swarm, from, to, stepMs: step })
      return { ...asked, from, to, step_ms: step, rows: rows.slice(0, maxAnswerRows), cut: rows.length > maxAnswerRows }
    } finally {
      this.#open--
    }
  }
}

/** The number of points of a plot. */
const points = 60
/** The most open questions. The page asks five at a time. ClickHouse runs some of them, and lets the others wait. */
const maxOpen = 16
const maxKept = 64
const keptMs = 5000
