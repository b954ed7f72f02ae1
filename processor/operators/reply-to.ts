import type { Header } from '../../topology/record.ts'
import { correlationOf, namedPartition, namedReplyTopic, type ReplyTo } from '../../topology/swarm/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/reply-topics.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { partitionForKey } from '../partitioner.ts'

/** Where a record's headers want its answer; null where they say nothing, an error where it cannot go there. */
export function replyToOf(id: string, headers: readonly Header[], topics: ReplyTopics): ReplyTo | WaggleError | null {
  const topic = namedReplyTopic(headers)
  if (topic === null) return null
  if (!topics.allows(topic)) {
    return new WaggleError('WAGGLE_REPLY_TOPIC_REFUSED', {
      message: `No answer is sent to ${topic}: it is none of the topics that may be named`,
      next: 'Add it to WAGGLE_REPLY_TOPICS, or name one of those.',
    })
  }
  const partitions = topics.partitionsOf(topic) ?? null
  if (partitions === null) {
    return new WaggleError('WAGGLE_REPLY_TOPIC_MISSING', { message: `No answer is sent to ${topic}: there is no such topic`, next: 'Create it.' })
  }
  const partition = namedPartition(headers) ?? partitionForKey(Buffer.from(id), partitions)
  if (!(partition >= 0 && partition < partitions)) {
    return new WaggleError('WAGGLE_REPLY_PARTITION', {
      message: `No answer is sent to ${topic}: its partition ${partition} is not there, it has ${partitions}`,
      next: 'Name one that is there, or none.',
    })
  }
  return { topic, partition, correlation: correlationOf(headers) }
}
