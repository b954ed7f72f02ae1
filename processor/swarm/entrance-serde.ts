import type { HandingSerde } from '../../topology/serde.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { edgePayload } from '../../topology/swarm/payload/payload-serde.ts'
import { namedReplyTopic } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'

/**
 * Reads payloads from the records of a gateway's topic. Strangers may write to this topic, so a value that does not fit its content type is refused.
 * If a record names a reply topic that is not known yet, the topic is looked up before the record is read.
 */
export function entranceSerde(payloads: HandingSerde<Payload>, replyTopics: ReplyTopics): HandingSerde<Payload> {
  return {
    ...payloads,
    deserialize: (_, data, headers = []) => edgePayload(data, headers),
    prepare(_, __, headers = []) {
      const topic = namedReplyTopic(headers)
      return topic === null || !replyTopics.allows(topic) || replyTopics.partitionsOf(topic) !== undefined ? null : replyTopics.look(topic)
    },
  }
}
