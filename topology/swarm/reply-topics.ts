/** The topics that may be named for an answer, and what is known of them. */
export interface ReplyTopics {
  /** Whether a record may name it. */
  allows(topic: string): boolean
  /** Null: there is no such topic. Undefined: nothing is known of it yet, and `look` finds out. */
  partitionsOf(topic: string): number | null | undefined
  look(topic: string): Promise<void>
}

/** None may be named. */
export const noReplyTopics: ReplyTopics = { allows: () => false, partitionsOf: () => null, look: async () => {} }
