import { createHash } from 'node:crypto'
import { type Clock, DamagedValue, type Log, type ProducerRecord } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { Header } from '../../topology/record.ts'
import type { DeadLetter } from '../../topology/swarm/log-management.ts'
import { deadlineHeader, requestIdHeader } from '../../topology/swarm/request/headers.ts'
import { idSecretTopic } from '../../topology/topic-names.ts'
import { uuidOf } from '../../topology/uuid.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { recordAt } from './single-record.ts'
import { isOwnTopic, isReadBy, type KnownSwarms } from './swarm-topics.ts'

/** The record that sends the input of a letter again. Its key is the id of the request. */
interface LetterRetry extends ProducerRecord {
  readonly key: Uint8Array
}

interface LetterRetryOptions extends KnownSwarms {
  readonly log: Log
  readonly clock: Clock
}

/**
 * The record with which a retry sends the input of a letter again. In a topic that only the swarm writes, the record continues the failed request.
 * Elsewhere it is a new request. Throws WAGGLE_DEAD_LETTER_EMPTY if the letter names no input of its swarm, and WAGGLE_RECORDS_GONE if the log no
 * longer has the input.
 */
export async function letterRetry(letter: DeadLetter, { log, clock, ...known }: LetterRetryOptions): Promise<LetterRetry> {
  const { id, swarm, topic, partition, offset } = letter
  // The headers name the topic for the retry, and anybody who writes to a dead-letter topic can set these headers. So the topic is checked.
  if (topic === '' || topic === idSecretTopic || topic.endsWith('.dead-letters')) throw withoutInput(id)
  if (!(await isReadBy(swarm, topic, known))) throw foreignInput(id, swarm, topic)
  const input = await recordAt(log, topic, partition, offset)
  if (input === null) throw inputGone(id, topic)
  if (input.value instanceof DamagedValue) throw input.value.error
  const own = isOwnTopic(swarm, topic)
  const key = own ? input.key : Buffer.from(idOfRetry(letter))
  if (key === null) throw withoutInput(id)
  const partitions = (await log.topic(topic))?.partitions ?? 1
  return {
    topic,
    partition: own ? partition : partitionForKey(key, partitions),
    key,
    value: input.value,
    headers: headersOfRetry(input.headers, own ? null : key),
    timestamp: clock.now(),
  }
}

/**
 * The id of the request that a retry makes. A letter always has the same id for its retry. If a crash happens between the two records of a retry, a
 * second retry has the same id, and the swarm computes the request only once. Only somebody who knows the id of the failed request can compute the
 * new id.
 */
function idOfRetry({ id, request_id, timestamp }: DeadLetter): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([id, request_id, timestamp]))
    .digest()
  return uuidOf(hash, 8)
}

/** The headers for a retry: the headers of the input without the deadline, which has passed. If the retry is a new request, it gets the new id. */
function headersOfRetry(headers: readonly Header[], newId: Uint8Array | null): readonly Header[] {
  const kept = headers.filter(({ key }) => key !== deadlineHeader && (newId === null || key !== requestIdHeader))
  return newId === null ? kept : [...kept, { key: requestIdHeader, value: newId }]
}

function withoutInput(id: string): WaggleError {
  return new WaggleError('WAGGLE_DEAD_LETTER_EMPTY', {
    message: `The dead letter ${id} contains no input that could be sent again`,
    next: 'Send the request again by hand, or discard the dead letter.',
  })
}

function foreignInput(id: string, swarm: string, topic: string): WaggleError {
  return new WaggleError('WAGGLE_DEAD_LETTER_EMPTY', {
    message: `The dead letter ${id} names an input in ${topic.slice(0, 300)}, which is not known as a topic that the swarm ${swarm} reads`,
    next: 'If the swarm reads it, start the swarm, and retry there (`--url`). Otherwise find out who wrote the letter, and discard it.',
  })
}

function inputGone(id: string, topic: string): WaggleError {
  return new WaggleError('WAGGLE_RECORDS_GONE', {
    message: `The input of the dead letter ${id} is in ${topic} no longer`,
    next: 'Send what `waggle dead-letters show` shows by hand, or discard the letter.',
  })
}
