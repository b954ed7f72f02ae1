/** The way of one request through its swarm, as the log tells it. Times are epoch milliseconds. */
export interface RequestTrace {
  readonly request_id: string
  /** The request's swarm; null if no process here runs the swarm, so that its plan is unknown. */
  readonly swarm: string | null
  readonly gateway: string | null
  /** The state of the request. Null if no bee of the swarm answers, or if the plan is unknown. */
  readonly state: 'pending' | 'answered' | 'failed' | null
  /** The time of the request, in epoch milliseconds; null if the log no longer has the request's first record. */
  readonly accepted_at: number | null
  /** False if the search ended at its bound, so that steps may be missing. */
  readonly complete: boolean
  /** The steps in the order of time. */
  readonly steps: readonly TraceStep[]
}

/** The work of one bee on the request, with the place of the record that carries its result. */
export interface TraceStep {
  readonly bee: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** The start and the end of the bee's work. Null if the bee passed on the error of another bee, or if its result came without times. */
  readonly started_at: number | null
  readonly finished_at: number | null
  /** The time between the last input and the start, in ms. */
  readonly waited_ms: number | null
  /** The time between the start and the finish, in ms. */
  readonly worked_ms: number | null
  /** The number of inputs that the bee computed in the same call. */
  readonly batch_size: number | null
  /** The reason why the batch was sent; null for a call without batch. */
  readonly batch_sent: string | null
  /** The ids of the other requests of the call that were found, at most 100. */
  readonly batch_mates: readonly string[]
  /** The number of the attempt. The number is above 1 for an input that was sent again from the dead letters. */
  readonly attempt: number
  /** The model that made the result, and its version; null for a result that names no model. */
  readonly model: string | null
  readonly model_version: string | null
  /** The parts that the bee has published; undefined for a bee that has published none. */
  readonly parts?: TraceParts
  /** The rounds of the request in its loops, as in `LOOP=ROUND`; null outside of a loop. */
  readonly round: string | null
  /** True if the bee passed on an error of another bee. */
  readonly passed: boolean
  readonly error: TraceError | null
  /** The bees whose results the bee takes. Empty if the plan is unknown. */
  readonly after: readonly string[]
}

export interface TraceParts {
  readonly count: number
  /** The time at which the first part was written, in epoch ms. */
  readonly first_at: number
}

export interface TraceError {
  readonly code: string
  readonly detail: string
  /** The bee that failed. */
  readonly bee: string
}
