import type { Clock, Log, Random } from '../../processor/ports.ts'
import { claimStoreTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * Makes sure that only one data directory has payloads of this cluster. The first record of a topic names the store in that directory. A process with
 * another data directory gets WAGGLE_CLAIM_STORE, because the two processes could not read each other's payloads.
 */
export async function expectOwner(
  log: Log,
  { store, clock, random }: { readonly store: string; readonly clock: Clock; readonly random: Random },
): Promise<void> {
  await log.createTopics([{ name: claimStoreTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
  if ((await firstOwner(log)) === null) {
    const producer = await log.producer()
    try {
      // Each record has its own key, so compaction keeps the first one.
      const record = { topic: claimStoreTopic, partition: 0, key: random.bytes(16), value: Buffer.from(store), headers: [], timestamp: clock.now() }
      await producer.send(record)
    } finally {
      await producer.close()
    }
  }
  const owner = await firstOwner(log)
  if (owner === store) return
  throw new WaggleError('WAGGLE_CLAIM_STORE', {
    message: `Another process on this cluster keeps large payloads in its data directory (${owner ?? 'unknown'}), which this process cannot read`,
    next: `Set WAGGLE_CLAIM_STORE=s3://BUCKET/PREFIX for all processes. If the other data directory is gone for good, delete the topic ${claimStoreTopic} while no process runs.`,
  })
}

async function firstOwner(log: Log): Promise<string | null> {
  const [place] = (await log.topic(claimStoreTopic))?.offsets ?? []
  if (place === undefined || place.end <= place.start) return null
  for await (const { records } of log.read({ topic: claimStoreTopic, partition: 0, from: place.start, to: place.end }))
    for (const { value } of records) return value instanceof Uint8Array ? Buffer.from(value).toString() : ''
  return null
}
