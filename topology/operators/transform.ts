import type { NewRecord, Record, RecordMetadata } from '../record.ts'

/** Makes any number of records out of one record. Each output names the child that it goes to. */
export interface Transform {
  readonly op: 'transform'
  readonly apply: (record: Record<unknown, unknown>, place: RecordMetadata | null, nowMs: number, taskId: string) => readonly TransformOutput[]
}

export interface TransformOutput {
  readonly record: NewRecord<unknown, unknown>
  readonly child: string
}
