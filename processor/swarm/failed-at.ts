import type { FailedRecord } from '../../topology/failed-record.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'

/** A record at which a bee failed, with its place. `place` is null where a punctuation made the record. */
export function failedAt(record: Record<unknown, unknown>, bee: string, taskId: string, place: RecordMetadata | null): FailedRecord {
  return { ...record, ...(place ?? { topic: '', partition: -1, offset: -1n }), node: bee, taskId }
}
