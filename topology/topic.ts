/** A topic as it is to be made. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** Null: kept for good. */
  readonly retentionMs: number | null
}
