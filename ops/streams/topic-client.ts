import { bytesIn, type Clock, type Log, type LogRecord, type Producer, type Reader, type RecordRun } from '../../processor/ports.ts'
import type { Consumed } from '../../topology/consumed.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { Produced } from '../../topology/produced.ts'
import { type Header, noHeaders, type Record, type RecordMetadata } from '../../topology/record.ts'
import type { AnySerde, Deserializer, Serde, SerdeUse, Serializer } from '../../topology/serde.ts'
import { type DefaultSerdes, resolved, serdeOr } from '../../topology/streams/unset-serde.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'

/** Writes and reads records of topics outside of any task. */
export class TopicClient {
  readonly #log: Log
  readonly #clock: Clock
  readonly #readers = new Set<Reader>()
  #producer: Promise<Producer> | null = null
  readonly #partitions = new Map<string, number>()
  #sentWithoutKey = 0

  readonly #makesTopics: boolean
  readonly #defaults: DefaultSerdes

  constructor(log: Log, clock: Clock, { makesTopics, defaults }: { readonly makesTopics: boolean; readonly defaults: DefaultSerdes }) {
    this.#log = log
    this.#clock = clock
    this.#makesTopics = makesTopics
    this.#defaults = defaults
  }

  /** The number of partitions of a topic. On the embedded log, nobody else creates topics, so a missing topic is created with one partition. */
  async known(topic: string): Promise<number> {
    const known = this.#partitions.get(topic)
    if (known !== undefined) return known
    const found = await this.#log.topic(topic)
    if (found === null && !this.#makesTopics) {
      throw new WaggleError('WAGGLE_MISSING_TOPIC', { message: `The topic ${topic} does not exist`, next: 'Create the topic, or correct its name.' })
    }
    if (found === null) await this.#log.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const partitions = found?.partitions ?? 1
    this.#partitions.set(topic, partitions)
    return partitions
  }

  async send(
    topic: string,
    record: { key: unknown; value: unknown; timestamp?: number; headers?: readonly Header[] },
    produced: Produced<unknown, unknown>,
  ): Promise<RecordMetadata> {
    const serdes = this.#serdes(topic, produced)
    const partitions = await this.known(topic)
    this.#producer ??= this.#log.producer()
    const headers = record.headers ?? noHeaders
    await open(serdes.key, { topic, part: 'key' })
    await open(serdes.value, { topic, part: 'value' })
    const bytesOf = (serde: unknown, value: unknown) => (value === null ? null : (serde as Serializer<unknown>).serialize(topic, value, headers))
    const key = bytesOf(serdes.key, record.key)
    const value = bytesOf(serdes.value, record.value)
    const partition = key === null ? this.#sentWithoutKey++ % partitions : partitionForKey(key, partitions)
    const timestamp = record.timestamp ?? this.#clock.now()
    const { offset } = await (await this.#producer).send({ topic, partition, key, value, timestamp, headers })
    return { topic, partition, offset: BigInt(offset) }
  }

  async *records<K, V>(topic: string, consumed: Consumed<K, V>): AsyncIterable<Record<K, V> & RecordMetadata> {
    const serdes = this.#serdes(topic, consumed)
    const partitions = await this.known(topic)
    const readers = Array.from({ length: partitions }, (_, partition) => this.#log.read({ topic, partition, from: 0 }))
    for (const reader of readers) this.#readers.add(reader)
    const come = new MergedRuns(readers.map((reader) => reader[Symbol.asyncIterator]()))
    try {
      for (let run = await come.next(); run !== null; run = await come.next()) {
        for (const record of run.records) {
          await this.#prepare(topic, serdes, record)
          yield decoded(record, topic, run.partition, serdes)
        }
      }
    } finally {
      for (const reader of readers) {
        this.#readers.delete(reader)
        await reader.close()
      }
    }
  }

  /** Prepares the serdes of a record. Waits without a limit while a service that a serde needs does not respond. */
  async #prepare(topic: string, { key, value }: TopicSerdes, record: LogRecord): Promise<void> {
    const preparation = (serde: unknown, bytes: Uint8Array | null) =>
      bytes === null ? null : ((serde as Serde<unknown>).prepare?.(topic, bytes) ?? null)
    for (const once of [() => preparation(key, record.key), () => preparation(value, bytesIn(record.value))]) {
      for (let preparing = once(); preparing !== null; preparing = once()) {
        try {
          await preparing
          break
        } catch (thrown) {
          if (!(thrown instanceof Unavailable)) throw thrown
          await new Promise<void>((resolve) => void this.#clock.after(retryMs, resolve))
        }
      }
    }
  }

  #serdes(topic: string, { key, value }: Pick<Consumed<unknown, unknown>, 'key' | 'value'>): TopicSerdes {
    return { key: resolved(serdeOr(key, 'key', topic), this.#defaults), value: resolved(serdeOr(value, 'value', topic), this.#defaults) }
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close()
    await (await this.#producer)?.close()
  }
}

interface TopicSerdes {
  readonly key: AnySerde
  readonly value: AnySerde
}

const retryMs = 1000

async function open(serde: unknown, use: SerdeUse): Promise<void> {
  await (serde as Partial<Serde<unknown>>).open?.(use)
}

/**
 * Returns the runs of several readers as they arrive, with one pending read for each reader. `Promise.race` is not used: each call would add a
 * reaction to every pending promise, and memory would grow while a reader gets no records.
 */
class MergedRuns {
  readonly #come: { readonly result: IteratorResult<RecordRun>; readonly from: AsyncIterator<RecordRun> }[] = []
  #open: number
  #failure: { readonly reason: unknown } | null = null
  #wake = () => {}

  constructor(readers: readonly AsyncIterator<RecordRun>[]) {
    this.#open = readers.length
    for (const reader of readers) this.#ask(reader)
  }

  /** Waits for the next run of any reader; null when all readers have ended. */
  async next(): Promise<RecordRun | null> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.reason
      const first = this.#come.shift()
      if (first === undefined) {
        if (this.#open === 0) return null
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      } else if (first.result.done) this.#open--
      else {
        this.#ask(first.from)
        return first.result.value
      }
    }
  }

  #ask(from: AsyncIterator<RecordRun>): void {
    from.next().then(
      (result) => {
        this.#come.push({ result, from })
        this.#wake()
      },
      (reason: unknown) => {
        this.#failure ??= { reason }
        this.#wake()
      },
    )
  }
}

function decoded<K, V>(record: LogRecord, topic: string, partition: number, serdes: TopicSerdes): Record<K, V> & RecordMetadata {
  const { key, value, timestamp, headers, offset } = record
  const read = (serde: unknown, bytes: Uint8Array | null) =>
    bytes === null ? null : (serde as Deserializer<unknown>).deserialize(topic, bytes, headers)
  const pair = { key: read(serdes.key, key) as K, value: read(serdes.value, bytesIn(value)) as V }
  return { ...pair, timestamp, headers, topic, partition, offset: BigInt(offset) }
}
