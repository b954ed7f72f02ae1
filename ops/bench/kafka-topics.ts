import type { Log } from '../../processor/ports.ts'
import { expectedJoin, keyAt } from './bench-keys.ts'

export type Workload = 'stateless' | 'count' | 'tumbling' | 'stream-stream join'

/** Records of 100 bytes, one a millisecond up to now, in turns to each input: their topics are `input` with 0 after it, and 1. */
export async function fillInput(
  log: Log,
  wish: { readonly input: string; readonly inputs: number; readonly records: number; readonly keys: number },
): Promise<void> {
  const { input, inputs, records, keys } = wish
  const topics = Array.from({ length: inputs }, (_, at) => `${input}${at}`)
  await log.createTopics(topics.map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const producer = await log.producer()
  const value = Buffer.alloc(100, 'x')
  const firstAt = Date.now() - records
  for (let from = 0; from < records; from += 10_000) {
    const ats = Array.from({ length: Math.min(10_000, records - from) }, (_, index) => from + index)
    const send = (at: number) => ({ partition: 0, key: keyAt(at, { keys, inputs }), value, timestamp: firstAt + at, headers: [] })
    await Promise.all(ats.map((at) => producer.send({ ...send(at), topic: topics[at % inputs] ?? '' })))
  }
  await producer.close()
}

/** Throws where an output is not what its input says. */
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
