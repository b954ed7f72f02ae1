import { partitionForKey } from '../../topology/partitioner.ts'
import type { Header } from '../../topology/record.ts'
import { correlationOf, namedPartition, namedReplyTopic, type ReplyTo } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** Throws if the reply topic or partition does not exist or is not allowed. A topic that this process has not looked up yet is accepted. */
export function expectReachable({ topic, partition }: ReplyTo, topics: ReplyTopics): void {
  const error = refusalOf({ topic, partition }, topics)
  if (error !== null) throw error
}

/**
 * The reply topic and partition that a record's headers name; null if the headers name none. Returns an error if a reply cannot go there. Answers to
 * callers of HTTP gateways on the embedded log take another way: see `answered.ts` and `request-ledger.ts`.
 */
export function replyToOf(id: string, headers: readonly Header[], topics: ReplyTopics): ReplyTo | WaggleError | null {
  const topic = namedReplyTopic(headers)
  if (topic === null) return null
  if (topics.allows(topic) && topics.partitionsOf(topic) === undefined) return missing(topic)
  const partition = namedPartition(headers) ?? partitionForKey(Buffer.from(id), topics.partitionsOf(topic) ?? 1)
  return refusalOf({ topic, partition }, topics) ?? { topic, partition, correlation: correlationOf(headers) }
}

function refusalOf({ topic, partition }: Pick<ReplyTo, 'topic' | 'partition'>, topics: ReplyTopics): WaggleError | null {
  if (!topics.allows(topic)) {
    return new WaggleError('WAGGLE_REPLY_TOPIC_REFUSED', {
      message: `No answer is sent to ${topic.slice(0, maxTopicLength)}: this topic is not in the list of topics that may be named`,
      next: 'Add the topic to WAGGLE_REPLY_TOPICS, or name a topic of that list.',
    })
  }
  const partitions = topics.partitionsOf(topic)
  if (partitions === null) return missing(topic)
  if (partition >= 0 && (partitions === undefined || partition < partitions)) return null
  return new WaggleError('WAGGLE_REPLY_PARTITION', {
    message: `No answer is sent to ${topic}: its partition ${partition} is not there, it has ${partitions}`,
    next: 'Name a partition of the topic, or no partition.',
  })
}

function missing(topic: string): WaggleError {
  return new WaggleError('WAGGLE_REPLY_TOPIC_MISSING', {
    message: `No answer is sent to ${topic}: there is no such topic`,
    next: 'Create the topic.',
  })
}

/** The longest topic name that Kafka allows. */
const maxTopicLength = 249
