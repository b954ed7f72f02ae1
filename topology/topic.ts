/** A topic as it is to be made. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** Null: kept for good. */
  readonly retentionMs: number | null
  /** Further settings of a topic that is made, by Kafka's names; they count before those that follow from the above. */
  readonly settings?: { readonly [setting: string]: string }
}
