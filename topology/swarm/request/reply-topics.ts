/** The topics that requests may name for their answers, and their numbers of partitions. */
export interface ReplyTopics {
  /** True if a record may name the topic. */
  allows(topic: string): boolean
  /** True for a topic on which processes of this swarm get the answers to their own callers. */
  isOwn(topic: string): boolean
  /** The topic's number of partitions; null if the topic does not exist; undefined if it is unknown until `look` has finished. */
  partitionsOf(topic: string): number | null | undefined
  look(topic: string): Promise<void>
}

export const noReplyTopics: ReplyTopics = { allows: () => false, isOwn: () => false, partitionsOf: () => null, look: async () => {} }
