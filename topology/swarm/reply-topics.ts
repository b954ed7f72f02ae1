/** The topics that requests may name for their answers, and their numbers of partitions. */
export interface ReplyTopics {
  /** Whether a record may name the topic. */
  allows(topic: string): boolean
  /** Null where the topic does not exist. Undefined where it is not known yet: `look` finds out. */
  partitionsOf(topic: string): number | null | undefined
  look(topic: string): Promise<void>
}

/** Allows no reply topic. */
export const noReplyTopics: ReplyTopics = { allows: () => false, partitionsOf: () => null, look: async () => {} }
