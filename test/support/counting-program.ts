import {
  Consumed,
  Grouped,
  JoinWindows,
  Materialized,
  Produced,
  type Serde,
  Serdes,
  StreamJoined,
  StreamsBuilder,
  TimeWindows,
  type Topology,
} from 'waggle-streams'
import type { Log, TopicSpec } from '../../processor/ports.ts'
import { newName } from './kafka-log.ts'

const text = Serdes.string()

/** A text serde that fails on bytes that are not UTF-8. */
const strictText: Serde<string> = {
  serialize: (_, value) => Buffer.from(value),
  deserialize: (_, bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
}

/** Counts the records of each key of `input`, in the store `counts` and to the topic `<input>-counted`. */
export function countOf(input: string, { logging = {} }: { readonly logging?: { readonly [setting: string]: string } } = {}): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(input, Consumed.with(text, text))
    .groupByKey(Grouped.with(text, text, { name: 'by-key' }))
    .count(Materialized.as('counts', { logging }))
    .toStream()
    .to(`${input}-counted`, Produced.with(text, Serdes.long()))
  return builder.build()
}

/** The topics that `everythingOf` an input reads and writes. */
export function topicsOf(input: string) {
  return {
    marks: `${input}-marks`,
    letters: `${input}-dead-letters`,
    counted: `${input}-counted`,
    windowed: `${input}-windowed`,
    grouped: `${input}-grouped`,
    joined: `${input}-joined`,
  }
}

/**
 * Counts a stream of words (value: `<group>:<number>`) three times: by key, by key and ten seconds, and by group through a repartition topic. Through
 * another repartition topic, words are joined with the marks of the same number.
 */
export function everythingOf(input: string): Topology {
  const topics = topicsOf(input)
  const builder = new StreamsBuilder()
  const words = builder.stream(input, Consumed.with(text, strictText))
  const counts = Produced.with(text, Serdes.long())
  const byKey = words.groupByKey(Grouped.with(text, text, { name: 'by-key' }))
  byKey.count(Materialized.as('counts')).toStream().to(topics.counted, counts)
  byKey
    .windowedBy(TimeWindows.ofSizeAndGrace(windowMs, hourMs))
    .count(Materialized.as('windows', { retentionMs: 2 * hourMs }))
    .toStream()
    .selectKey(({ key, window }) => `${key}@${window.start}`)
    .to(topics.windowed, counts)
  words
    .groupBy((_, value) => groupOf(value ?? ''), Grouped.with(text, text, { name: 'by-group' }))
    .count(Materialized.as('groups'))
    .toStream()
    .to(topics.grouped, counts)
  words
    .selectKey((_, value) => numberOf(value ?? ''))
    .join(
      builder.stream(topics.marks, Consumed.with(text, text)),
      (word, mark) => `${word} ${mark}`,
      JoinWindows.ofTimeDifferenceAndGrace(hourMs, hourMs),
      StreamJoined.with(text, text, text, { name: 'marking', storeName: 'marking' }),
    )
    .to(topics.joined, Produced.with(text, text))
  return builder.build()
}

export const windowMs = 10_000
const hourMs = 3_600_000

export const groupOf = (value: string) => value.split(':', 1)[0] ?? ''
export const numberOf = (value: string) => value.slice(value.indexOf(':') + 1)

/** Makes topics with four partitions, and a new application id. */
export async function newCount(log: Log): Promise<{ readonly applicationId: string; readonly input: string }> {
  const input = newName('words')
  const topic = (name: string): TopicSpec => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })
  await log.createTopics([topic(input), topic(`${input}-counted`)])
  return { applicationId: newName('app'), input }
}

/** The first keys of a list in which fifty different keys repeat. */
export function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `key-${at % 50}`)
}

export async function sendKeys(log: Log, topic: string, sent: readonly string[], timestamp = 1): Promise<void> {
  const producer = await log.producer()
  await Promise.all(
    sent.map((key) =>
      producer.send({ topic, partition: Number(key.split('-')[1]) % 4, key: Buffer.from(key), value: Buffer.from('x'), timestamp, headers: [] }),
    ),
  )
  await producer.close()
}

/** The last committed count of each key. */
export async function countedIn(log: Log, topic: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const { key, value } of await recordsIn(log, topic)) found.set(key, Number(value.readBigInt64BE(0)))
  return found
}

/** The expected counts, computed by a plain loop over the topic. */
export async function recounted(log: Log, topic: string): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>()
  for (const { key } of await recordsIn(log, topic)) found.set(key, (found.get(key) ?? 0) + 1)
  return found
}

async function recordsIn(log: Log, topic: string): Promise<readonly { readonly key: string; readonly value: Buffer }[]> {
  const records: { key: string; value: Buffer }[] = []
  for (const [partition, { start, end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
    for await (const run of log.read({ topic, partition, from: start, to: end })) {
      for (const { key, value } of run.records) records.push({ key: String(key), value: Buffer.from(value instanceof Uint8Array ? value : []) })
    }
  }
  return records
}
