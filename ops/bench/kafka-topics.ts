import type { Log } from '../../processor/ports.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { expectedJoin, keyAt } from './bench-keys.ts'
import { streamsWorkloads } from './streams-workloads.ts'

export type Workload = 'stateless' | 'count' | 'tumbling' | 'stream-stream join'

/**
 * Writes records of 100 bytes alternately to the inputs. Their timestamps are a millisecond apart and end now. The topics' names are `input` followed
 * by 0 and by 1.
 */
export async function fillInput(
  log: Log,
  wish: { readonly input: string; readonly inputs: number; readonly records: number; readonly keys: number },
): Promise<void> {
  const { input, inputs, records, keys } = wish
  const topics = Array.from({ length: inputs }, (_, at) => `${input}${at}`)
  await log.createTopics(topics.map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const value = Buffer.alloc(100, 'x')
  await fill(log, records, (at) => ({ topic: topics[at % inputs] ?? '', key: keyAt(at, { keys, inputs }), value }))
}

/** Writes the changelog that an application with one counting store leaves behind. Returns the topic's name. */
export async function fillChangelog(
  log: Log,
  wish: { readonly application: string; readonly name: Workload; readonly records: number; readonly keys: number },
): Promise<string> {
  const { application, name, records, keys } = wish
  const [store = ''] =
    streamsWorkloads
      .find((one) => one.name === name)
      ?.build()
      .stores.keys() ?? []
  const topic = changelogTopic(application, store)
  const settings = { 'message.timestamp.type': 'CreateTime' }
  await log.createTopics([{ name: topic, partitions: 1, cleanup: 'compact', retentionMs: null, settings }])
  await fill(log, records, (at) => {
    const value = Buffer.alloc(8)
    value.writeBigInt64BE(BigInt(at))
    return { topic, key: keyAt(at, { keys }), value }
  })
  return topic
}

async function fill(
  log: Log,
  records: number,
  recordAt: (at: number) => { readonly topic: string; readonly key: Uint8Array; readonly value: Uint8Array },
): Promise<void> {
  const producer = await log.producer()
  const firstAt = Date.now() - records
  for (let from = 0; from < records; from += 10_000) {
    const ats = Array.from({ length: Math.min(10_000, records - from) }, (_, index) => from + index)
    await Promise.all(ats.map((at) => producer.send({ ...recordAt(at), partition: 0, timestamp: firstAt + at, headers: [] })))
  }
  await producer.close()
}

/** Throws if a record of the output is wrong for the input. */
export async function checkOutput(
  log: Log,
  wish: {
    readonly name: Workload
    readonly output: string
    readonly records: number
    readonly keys: number
    readonly cacheBytes: number
  },
): Promise<void> {
  const { name, output, records, keys, cacheBytes } = wish
  const last = new Map<string, number>()
  let count = 0
  const to = (await log.topic(output))?.offsets[0]?.end ?? 0
  if (to > 0) {
    for await (const run of log.read({ topic: output, partition: 0, from: 0, to })) {
      count += run.records.length
      if (name !== 'count') continue
      for (const { key, value } of run.records) {
        if (value instanceof Uint8Array) last.set(Buffer.from(key ?? []).toString(), Number(Buffer.from(value).readBigInt64BE()))
      }
    }
  }
  const counted = last.values().reduce((sum, one) => sum + one, 0)
  if (name === 'count' && counted !== records) throw new Error(`${output} counts ${counted} of ${records} records`)
  if (cacheBytes > 0) return
  const expected = name === 'stream-stream join' ? expectedJoin({ records, keys, windowMs: 10_000 }) : records
  if (count !== expected) throw new Error(`${output} has ${count} records in place of ${expected}`)
}
