import type { FailurePolicy } from '../../processor/task/failures.ts'
import { deadLetterTopic } from '../../topology/naming.ts'
import { beeError } from '../../topology/swarm/bee-error.ts'
import { outputRecord } from '../../topology/swarm/bee-step.ts'
import { deadLetterHeaders } from '../../topology/swarm/dead-letter.ts'
import type { Payload } from '../../topology/swarm/payload.ts'

/**
 * What a swarm does with a record that Waggle's own steps cannot do. (A bee that throws never comes here.) The record becomes a dead letter at once:
 * a step gives the same result each time, so another try would only hold up the other records of the thread. An error record takes its place, so
 * that a join completes and the caller hears of it. What a record needs and cannot have now (a disk that fails, a registry that is away) is an
 * `Unavailable`, which no handler is asked about: the record waits.
 */
export function swarmFailures(swarm: string): FailurePolicy {
  const resume = () => 'resume' as const
  return {
    deserialization: resume,
    processing: resume,
    production: resume,
    deadLetters: { topic: deadLetterTopic(swarm), headers: (error, record) => deadLetterHeaders(error, record.node, record) },
    standIn(error, { key, value, timestamp, headers, node }) {
      // Its value is damaged on the disk. The key is there, as it was read.
      if (error.code === 'WAGGLE_LOG_CORRUPT' && key instanceof Uint8Array) {
        const bytes: Payload = { kind: 'bytes', bytes: new Uint8Array(0), contentType: '' }
        return outputRecord({ key: Buffer.from(key).toString(), value: bytes, timestamp, headers }, beeError(error, node), null)
      }
      if ((typeof key !== 'string' && key !== null) || !isPayload(value) || value.kind === 'error') return null
      return outputRecord({ key, value, timestamp, headers }, beeError(error, node), null)
    },
  }
}

function isPayload(value: unknown): value is Payload {
  return value !== null && typeof value === 'object' && 'kind' in value && typeof value.kind === 'string' && kinds.has(value.kind)
}

const kinds: ReadonlySet<string> = new Set<Payload['kind']>(['json', 'bytes', 'tensors', 'joined', 'error'])
