import { outputRecord } from '../../processor/swarm/output-record.ts'
import type { FailurePolicy } from '../../processor/task/failures.ts'
import type { FailedRecord, FailureListener, Handler } from '../../topology/failed-record.ts'
import { headerText } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { beeError, isFailure } from '../../topology/swarm/request/bee-error.ts'
import { deadLetterHeaders } from '../../topology/swarm/request/dead-letter.ts'
import { requestIdHeader, streamBeeHeader } from '../../topology/swarm/request/headers.ts'
import { beeTopic, deadLetterTopic } from '../../topology/topic-names.ts'

/**
 * The failure policy of a swarm, for records at which one of Waggle's own steps fails. (Errors that a bee throws are handled elsewhere.) The record
 * becomes a dead letter at once, because a retry would give the same result and delay other records. An error record replaces the record, so that a
 * join completes and the caller gets an answer. DSL steps cannot pass an error record on, so the error record of a bee with such steps goes directly
 * to the bee's topic. `Unavailable` (a failing disk, a registry that does not answer) reaches no handler: the record waits.
 */
export function swarmFailures(swarm: string, onFailure: FailureListener = () => {}): FailurePolicy {
  const resume: Handler<'resume'> = (error, record) => {
    onFailure(error, record)
    return 'resume'
  }
  return {
    deserialization: resume,
    processing: resume,
    production: resume,
    deadLetters: {
      topic: deadLetterTopic(swarm),
      keeps: (error) => isFailure(beeError(error, '').error),
      headers: (error, record) => deadLetterHeaders(error, streamBeeOf(record) ?? record.node, record),
    },
    notice(error, record) {
      const bee = streamBeeOf(record)
      const id = headerText(record.headers, requestIdHeader)
      if (bee === null || id === null) return null
      const payload = beeError(error, bee)
      return {
        topic: beeTopic(swarm, bee),
        key: Buffer.from(id),
        value: payloadSerde.serialize('', payload),
        headers: outputRecord(
          { ...record, key: id, value: payload, headers: record.headers.filter(({ key }) => key !== streamBeeHeader) },
          payload,
          null,
        ).headers,
      }
    },
    replacement(error, { key, value, timestamp, headers, node }) {
      // The value is damaged on the disk. The key is intact, and has not been deserialised yet.
      if (error.code === 'WAGGLE_LOG_CORRUPT' && key instanceof Uint8Array) {
        const bytes: Payload = { kind: 'bytes', bytes: new Uint8Array(0), contentType: '' }
        return outputRecord({ key: Buffer.from(key).toString(), value: bytes, timestamp, headers }, beeError(error, node), null)
      }
      if ((typeof key !== 'string' && key !== null) || !isPayload(value) || value.kind === 'error') return null
      return outputRecord({ key, value, timestamp, headers }, beeError(error, node), null)
    },
  }
}

/** The bee whose DSL step failed for a record; null for any other record. */
function streamBeeOf({ headers }: FailedRecord): string | null {
  return headerText(headers, streamBeeHeader)
}

function isPayload(value: unknown): value is Payload {
  return value !== null && typeof value === 'object' && 'kind' in value && typeof value.kind === 'string' && kinds.has(value.kind)
}

/** `satisfies` demands an entry for each kind. If a kind were missing, the caller of a record of this kind would get no answer. */
const kinds: ReadonlySet<string> = new Set(
  Object.keys({ json: true, bytes: true, tensors: true, joined: true, error: true, claim: true } satisfies {
    readonly [kind in Payload['kind']]: true
  }),
)
