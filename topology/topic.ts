/** The settings that a topic is made with. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** Null: kept for good. */
  readonly retentionMs: number | null
  /** Bytes that the records of all partitions may take together, an even share each; older ones go first. Default: no limit. */
  readonly retentionBytes?: number | null
  /** Further settings for a topic that is made, by Kafka's names. They override the settings above. */
  readonly settings?: { readonly [setting: string]: string }
  /** Settings that the user asked for by name. They override all others, and an existing topic must have them. */
  readonly asked?: { readonly [setting: string]: string }
  /** The shortest retention that an existing topic may have, in ms, where the user asked for none. */
  readonly leastRetentionMs?: number
}
