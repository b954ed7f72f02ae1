/** The database for predictions. */
export interface Database {
  /**
   * Opens a table, and creates it if it is missing. Throws WAGGLE_TABLE_MISMATCH if the columns of the table do not fit. Retries while the database
   * is down.
   */
  openTable(options: TableOptions): Promise<PredictionTable>
}

export interface TableOptions {
  /** `table` or `database.table`. */
  readonly table: string
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/** One prediction as a row. Its identity is (swarm, bee, request_id), however often it is written. */
export interface PredictionRow {
  readonly swarm: string
  readonly bee: string
  readonly request_id: string
  readonly model: string
  readonly label: string
  readonly score: number
  readonly scores: { readonly [label: string]: number }
  /** The whole prediction as JSON. */
  readonly payload: string
  readonly latency_ms: number
  readonly batch_size: number
  /** The time of the prediction, in epoch milliseconds. */
  readonly predicted_at: number
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

export interface PredictionTable {
  /**
   * Writes one block. Resolves when the database has it; retries with back-off until `signal` aborts. Writing the same rows again changes nothing.
   */
  insert(rows: readonly PredictionRow[], signal: AbortSignal): Promise<void>
  close(): Promise<void>
}
