/** The questions about saved predictions. Each question is a fixed query with bounds, so no caller writes SQL. */
export const predictionQuestions = ['counts', 'latency', 'disagreement', 'disagreements', 'drift'] as const
export type PredictionQuestion = (typeof predictionQuestions)[number]

/** The answers to questions about the predictions that the swarms of a process have saved in ClickHouse. */
export interface PredictionNumbers {
  /** The tables into which swarms of this process save predictions. */
  tables(): readonly PredictionTableRow[]
  /**
   * Answers a question about one table. Throws WAGGLE_UNKNOWN_BEE if no bee of the swarm saves into the table, WAGGLE_OVERLOADED while too many
   * questions are open, and WAGGLE_CLICKHOUSE if the database fails.
   */
  ask(asked: AskedNumbers): Promise<PredictionAnswer>
}

export interface PredictionTableRow {
  readonly swarm: string
  readonly bee: string
  readonly table: string
}

export interface AskedNumbers {
  readonly question: PredictionQuestion
  readonly swarm: string
  readonly table: string
  /** The number of hours before now. A question about drift does not use it. */
  readonly hours: number
}

export interface PredictionAnswer extends AskedNumbers {
  /** The times of the answer, in epoch milliseconds, and the width of a point. */
  readonly from: number
  readonly to: number
  readonly step_ms: number
  readonly rows: readonly PredictionAnswerRow[]
  /** True if there are more rows than the answer contains. */
  readonly cut: boolean
}

/**
 * One row. `counts`: at, bee, label, predictions. `latency`: at, bee, p50_ms, p95_ms, p99_ms, predictions. `disagreement`: at, requests, disagreeing.
 * `disagreements`: at, request_id, labels. `drift`: bee, model, label, predictions, mean_score, mean_score_before, drift, population_stability.
 */
export interface PredictionAnswerRow {
  readonly [column: string]: string | number | null | { readonly [bee: string]: string }
}
