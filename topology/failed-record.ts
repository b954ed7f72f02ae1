import type { Record, RecordMetadata } from './record.ts'
import type { WaggleError } from './waggle-error.ts'

/** The record on which a step failed. A key or value that could not be decoded is given as its bytes. */
export interface FailedRecord extends Record<unknown, unknown>, RecordMetadata {
  readonly node: string
  readonly taskId: string
}

/** A function that is called with each record that failed. The function decides nothing about the record. */
export type FailureListener = (error: WaggleError, record: FailedRecord) => void

/**
 * Decides about a record that failed. `resume` drops the record, and writes a dead letter if the application has a topic for dead letters. `fail`
 * rolls back.
 */
export type Handler<Response> = (error: WaggleError, record: FailedRecord) => Response
