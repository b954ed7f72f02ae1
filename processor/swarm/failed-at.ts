import type { FailedRecord } from '../../topology/failed-record.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'

/** A record at which a bee failed, with its topic, partition and offset. `place` is null if a punctuation made the record. */
export function failedAt(record: Record<unknown, unknown>, bee: string, taskId: string, place: RecordMetadata | null): FailedRecord {
  return { ...record, ...(place ?? { topic: '', partition: -1, offset: -1n }), node: bee, taskId }
}
