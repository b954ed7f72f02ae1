/** The settings with which a topic is created. */
export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  readonly cleanup: 'delete' | 'compact' | 'compact,delete'
  /** The retention in ms; null if records are kept for good. */
  readonly retentionMs: number | null
  /** The most bytes of all partitions together, with an equal share for each. Older records are deleted first. Default: no limit. */
  readonly retentionBytes?: number | null
  /**
   * The age below which a record always stays, even if the embedded log is nearly full or has more than `retentionBytes`. Default: no record is
   * protected.
   */
  readonly leastAgeMs?: number
  /** Further settings of a new topic, by Kafka's names. They override the settings above. */
  readonly settings?: { readonly [setting: string]: string }
  /** Settings that the user gave by name. They override all other settings, and an existing topic must have them. */
  readonly asked?: { readonly [setting: string]: string }
  /** The shortest retention that an existing topic may have, in ms. It counts if the user gave no retention. */
  readonly leastRetentionMs?: number
}
