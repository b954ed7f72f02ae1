import type { Clock, Log, Random } from '../../processor/ports.ts'
import { idSecretTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * Reads the secret for request ids, and creates it if it is missing. Only processes on the same log can read the secret. The secret is the record
 * with the lowest offset of one topic, and is durable before its first use. If several processes start at the same time, each may write a secret, and
 * all of them use the first secret. Each record has its own key, so compaction keeps all records. Throws WAGGLE_ID_SECRET if the topic cannot be
 * used.
 */
export async function idSecretOf(log: Log, { clock, random }: { readonly clock: Clock; readonly random: Random }): Promise<Uint8Array> {
  await log.createTopics([{ name: idSecretTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
  const there = await firstSecret(log)
  if (there !== null) return there
  const producer = await log.producer()
  try {
    await producer.send({
      topic: idSecretTopic,
      partition: 0,
      key: random.bytes(secretBytes),
      value: random.bytes(secretBytes),
      headers: [],
      timestamp: clock.now(),
    })
  } finally {
    await producer.close()
  }
  const made = await firstSecret(log)
  if (made !== null) return made
  throw noSecret(`${idSecretTopic} does not give back what was written to it`)
}

async function firstSecret(log: Log): Promise<Uint8Array | null> {
  const [place] = (await log.topic(idSecretTopic))?.offsets ?? []
  if (place === undefined || place.end <= place.start) return null
  for await (const { records } of log.read({ topic: idSecretTopic, partition: 0, from: place.start, to: place.end })) {
    for (const { value } of records) {
      if (value instanceof Uint8Array && value.length === secretBytes) return value
      throw noSecret(`The first record of ${idSecretTopic} is not a secret`)
    }
  }
  return null
}

function noSecret(message: string): WaggleError {
  return new WaggleError('WAGGLE_ID_SECRET', {
    message,
    next: `Delete the topic ${idSecretTopic} while no process runs. Requests that are sent again under an Idempotency-Key are then computed again.`,
  })
}

const secretBytes = 32
