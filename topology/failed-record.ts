import type { Record, RecordMetadata } from './record.ts'
import type { WaggleError } from './waggle-error.ts'

/** The record that a step could not do. What could not be decoded has its bytes as key and value. */
export interface FailedRecord extends Record<unknown, unknown>, RecordMetadata {
  readonly node: string
  readonly taskId: string
}

/** Says what becomes of a record that failed: `resume` drops it (a dead letter, where there is a topic for them), `fail` rolls back. */
export type Handler<Response> = (error: WaggleError, record: FailedRecord) => Response
