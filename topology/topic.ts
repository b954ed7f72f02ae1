/** A topic as it is to be made. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** Null: kept for good. */
  readonly retentionMs: number | null
  /** Further settings of a topic that is made, by Kafka's names; they count before those that follow from the above. */
  readonly settings?: { readonly [setting: string]: string }
  /** Settings that somebody asked for by name: they count before all others, and a topic that is there must have them. */
  readonly asked?: { readonly [setting: string]: string }
  /** What a topic that is there may not keep for less than, where nobody asked for another retention. */
  readonly leastRetentionMs?: number
}
