/** The settings with which a topic is created. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** The retention in ms; null if records are kept for good. */
  readonly retentionMs: number | null
  /** The most bytes of all partitions together, with an equal share for each. Older records are deleted first. Default: no limit. */
  readonly retentionBytes?: number | null
  /** Younger records stay, even where the embedded log is nearly full or has more than `retentionBytes`. Default: none stays. */
  readonly leastAgeMs?: number
  /** Further settings of a new topic, by Kafka's names. They override the settings above. */
  readonly settings?: { readonly [setting: string]: string }
  /** Settings that the user gave by name. They override all others, and an existing topic must have them. */
  readonly asked?: { readonly [setting: string]: string }
  /** The shortest retention that an existing topic may have, in ms, if the user gave none. */
  readonly leastRetentionMs?: number
}
