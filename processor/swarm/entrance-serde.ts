import { type Header, headerText } from '../../topology/record.ts'
import type { HandingSerde } from '../../topology/serde.ts'
import { claimType } from '../../topology/swarm/payload/claim-codec.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { edgePayload, isOwnType, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { contentTypeHeader } from '../../topology/swarm/request/headers.ts'
import { namedReplyTopic } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'

/**
 * Reads payloads from the records of a gateway's topic. Strangers may write to this topic, so a value that does not fit its content type is refused. A
 * claim is accepted, because gateways write claims: nobody can guess the name of an object, so only a reader of such records can name one. If a record
 * names a reply topic that is not known yet, the topic is looked up before the record is read.
 */
export function entranceSerde(payloads: HandingSerde<Payload>, replyTopics: ReplyTopics): HandingSerde<Payload> {
  return {
    ...payloads,
    deserialize: (_, data, headers = []) => claimIn(data, headers) ?? edgePayload(data, headers),
    prepare(_, __, headers = []) {
      const topic = namedReplyTopic(headers)
      return topic === null || !replyTopics.allows(topic) || replyTopics.partitionsOf(topic) !== undefined ? null : replyTopics.look(topic)
    },
  }
}

/** The claim check in a record; null for any other record. A gateway puts no payload aside that only Waggle makes. */
function claimIn(data: Uint8Array, headers: readonly Header[]): Payload | null {
  if (headerText(headers, contentTypeHeader) !== claimType) return null
  const payload = payloadSerde.deserialize('', data, [{ key: contentTypeHeader, value: Buffer.from(claimType) }])
  return payload.kind === 'claim' && !isOwnType(payload.claim.contentType) ? payload : null
}
