import { type TimestampExtractor, TimestampExtractors } from '../../topology/consumed.ts'
import type { GraphNode, SinkNode, SourceNode } from '../../topology/graph.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import type { Header, Record, RecordMetadata } from '../../topology/record.ts'
import type { Deserializer, Serde, Serializer } from '../../topology/serde.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Sensor } from '../metrics/sensor.ts'
import { chosenTopics, type TaskMeters, type Traffic } from '../metrics/task-meters.ts'
import { bytesIn, DamagedValue, Handed, type LogRecord, type ProducerRecord } from '../ports.ts'
import type { TaskMemory } from '../state/task-memory.ts'
import type { CurrentRecord } from './current-record.ts'
import type { TaskFailures } from './failures.ts'
import type { NodeContext } from './node-context.ts'
import type { OperatorProcessor } from './operator-processor.ts'
import { headerSize, payloadSize, placeSize, type RecordQueue } from './record-queue.ts'
import { refuseNoTopic, refuseOutside } from './sink-choices.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

type Preparing = Deserializer<unknown> & Pick<Serde<unknown>, 'prepare'>

/** A node as it runs in one task. Nodes call each other synchronously. */
export interface NodeRuntime {
  readonly name: string
  process(record: Record<unknown, unknown>): void
  close(): void
}

export class SourceRuntime implements NodeRuntime {
  readonly name: string
  readonly #node: SourceNode
  readonly #context: NodeContext
  readonly #key: Preparing
  readonly #value: Preparing
  /** Counts incoming records. The count is updated once a pass. */
  readonly read: Sensor
  readonly #endToEnd: Sensor
  /** Records whose preparation failed, with their errors. Such a record is not decoded, and fails with its error. */
  #refused: Map<LogRecord, unknown> | null = null

  constructor(node: SourceNode, context: NodeContext, meters: TaskMeters) {
    this.name = node.name
    this.read = meters.node(node.name).source
    this.#endToEnd = meters.node(node.name).endToEnd
    this.#node = node
    this.#context = context
    this.#key = node.key as Preparing
    this.#value = node.value as Preparing
  }

  /** True if a serde may have to fetch something before a record can be read. */
  get prepares(): boolean {
    return this.#key.prepare !== undefined || this.#value.prepare !== undefined
  }

  /** A promise to await before the record is added to its task; null if the record can be added at once. */
  preparation(topic: string, record: LogRecord): Promise<unknown> | null {
    if (this.#skips(record)) return null
    const { key, value, headers } = record
    const ofKey = key === null ? null : (this.#key.prepare?.(topic, key, headers) ?? null)
    const isReady =
      value === null || value instanceof DamagedValue || this.#value.prepare === undefined || (value instanceof Handed && value.serde === this.#value)
    const ofValue = isReady ? null : (this.#value.prepare?.(topic, bytesIn(value), headers) ?? null)
    return ofKey === null || ofValue === null ? (ofKey ?? ofValue) : Promise.all([ofKey, ofValue])
  }

  refuse(record: LogRecord, reason: unknown): void {
    this.#refused ??= new Map()
    this.#refused.set(record, reason)
  }

  /** Decodes a record. Null if the record is skipped because it has no key, no value or no time. */
  decode(queue: RecordQueue, record: LogRecord): Record<unknown, unknown> | null {
    const { timestampExtractor } = this.#node
    if (this.#skips(record)) return null
    if (this.#refused !== null) this.#failIfRefused(record)
    if (this.#node.refusesNulls && (record.key === null || record.value === null)) throw incomplete(record)
    const decoded = this.#decoded(queue.topic, record)
    const given = timestampExtractor ?? TimestampExtractors.failOnInvalid
    const extract = given === TimestampExtractors.failOnInvalid && record.timestamp >= 0 ? null : given
    const { topic, partition } = queue
    const timestamp =
      extract === null
        ? record.timestamp
        : this.#extracted(extract, { ...decoded, topic, partition, offset: BigInt(record.offset) }, queue.streamTime)
    if (timestamp < 0) return null
    return timestamp === decoded.timestamp ? decoded : { ...decoded, timestamp }
  }

  #skips({ key, value }: LogRecord): boolean {
    const { skips } = this.#node
    return (skips.nullKeys && key === null) || (skips.nullValues && value === null)
  }

  #failIfRefused(record: LogRecord): void {
    const reason = this.#refused?.get(record)
    if (this.#refused?.delete(record)) throw reason
  }

  /** The timestamp that a user's extractor returns. The wall clock is the task's own clock, which a test can move. */
  #extracted(extract: TimestampExtractor, record: Record<unknown, unknown> & RecordMetadata, partitionTime: number): number {
    return extract === TimestampExtractors.wallclock ? this.#context.currentSystemTime : extract(record, partitionTime)
  }

  #decoded(topic: string, record: LogRecord): Record<unknown, unknown> {
    const { value, headers } = record
    return {
      key: record.key === null ? null : this.#key.deserialize(topic, record.key, headers),
      value:
        value === null ? null : value instanceof Uint8Array ? this.#value.deserialize(topic, value, headers) : this.#handed(topic, value, headers),
      timestamp: record.timestamp,
      headers,
    }
  }

  /** Measures the age of an incoming record. */
  measureAge(timestamp: number, { time }: TaskMeters): void {
    this.#endToEnd.record(time.now - timestamp)
  }

  process(record: Record<unknown, unknown>): void {
    for (const child of this.#context.targets) child.process(record)
  }

  close(): void {}

  #handed(topic: string, value: Handed | DamagedValue, headers: readonly Header[]): unknown {
    if (value instanceof DamagedValue) throw value.error
    return value.serde === this.#value ? value.value : this.#value.deserialize(topic, value.bytes, headers)
  }
}

export class ProcessorRuntime implements NodeRuntime {
  readonly name: string
  readonly #processor: OperatorProcessor
  readonly #memory: TaskMemory
  readonly #context: NodeContext
  #ended: EndToEnd | null = null

  constructor(node: GraphNode, processor: OperatorProcessor, context: NodeContext, memory: TaskMemory) {
    this.name = node.name
    this.#processor = processor
    this.#context = context
    this.#memory = memory
    try {
      processor.init?.(context)
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_PROCESSING_FAILED', thrown, {
        message: `${node.name} failed in init`,
        next: 'Correct `init` of the processor.',
      })
    }
  }

  /** Marks this node as a node without children, where records end. */
  endsWith(meters: TaskMeters): void {
    this.#ended = new EndToEnd(this.name, meters)
  }

  process(record: Record<unknown, unknown>): void {
    const before = this.#memory.now
    this.#memory.now = record.timestamp
    try {
      this.#processor.process(record)
    } catch (thrown) {
      this.#context.failed(thrown, record)
    } finally {
      this.#memory.now = before
    }
    this.#ended?.record(record)
  }

  close(): void {
    this.#processor.close?.()
  }
}

export class SinkRuntime implements NodeRuntime {
  readonly name: string
  readonly #node: SinkNode
  readonly #key: Serializer<unknown>
  readonly #value: Serializer<unknown>
  readonly #surroundings: TaskSurroundings
  readonly #current: CurrentRecord
  readonly #failures: TaskFailures
  /** True if values may be handed to readers in memory. */
  readonly #handsOn: boolean
  readonly #dropped: Sensor
  readonly #ended: EndToEnd
  readonly #traffic: Traffic
  /** The last topic that the sink wrote to. The topic is cached, because most sinks write to one topic. */
  #to = { topic: '', placeBytes: 0 }

  constructor(node: SinkNode, surroundings: TaskSurroundings, current: CurrentRecord, failures: TaskFailures, meters: TaskMeters) {
    this.name = node.name
    this.#node = node
    this.#key = node.key as unknown as Serializer<unknown>
    this.#value = node.value as unknown as Serializer<unknown>
    this.#surroundings = surroundings
    this.#current = current
    this.#failures = failures
    this.#handsOn = surroundings.handsOn && 'handsOn' in node.value
    this.#dropped = meters.dropped
    this.#ended = new EndToEnd(node.name, meters)
    this.#traffic = meters.node(node.name).traffic(typeof node.topic === 'string' ? node.topic : chosenTopics, 'produced')
  }

  process(record: Record<unknown, unknown>): void {
    const replacement = this.#produce(record)
    // A replacement takes the place of a record that cannot be written. If the replacement cannot be written either, the replacement is dropped.
    if (replacement !== null) this.#produce(replacement)
    this.#ended.record(record)
  }

  /** Writes a record. Returns null if the record is written or dropped. Otherwise returns the record to write in its place. */
  #produce(record: Record<unknown, unknown>): Record<unknown, unknown> | null {
    let produced: readonly ProducerRecord[] | null = null
    try {
      produced = this.#toProduce(record)
      // The partitioner returned no partition.
      if (produced.length === 0) this.#dropped.record(1)
      for (const one of produced) {
        this.#surroundings.emit(one)
        this.#count(one)
      }
      return null
    } catch (thrown) {
      const isRefusal = produced !== null || (thrown instanceof WaggleError && thrown.code === 'WAGGLE_MISSING_TOPIC')
      return this.#failures.handle('production', this.name, thrown, record, { isRefusal })
    }
  }

  close(): void {}

  #count(record: ProducerRecord): void {
    const { topic } = record
    if (topic !== this.#to.topic) this.#to = { topic, placeBytes: placeSize(topic) }
    const traffic = this.#traffic
    traffic.records++
    traffic.bytes += this.#to.placeBytes + payloadSize(record)
    if (record.headers.length > 0) traffic.bytes += headerSize(record.headers)
  }

  #toProduce(record: Record<unknown, unknown>): readonly ProducerRecord[] {
    const { topic: named, partitioner } = this.#node
    const topic =
      typeof named === 'string'
        ? named
        : (named as (key: unknown, value: unknown, context: unknown) => string)(record.key, record.value, {
            ...record,
            ...this.#current.toMetadata(),
          })
    refuseNoTopic(topic)
    const key = record.key === null ? null : this.#key.serialize(topic, record.key, record.headers)
    const value =
      record.value === null
        ? null
        : this.#handsOn
          ? new Handed(topic, record.value, this.#node.value, record.headers)
          : this.#value.serialize(topic, record.value, record.headers)
    const partitions = this.#surroundings.partitionsOf(topic)
    const chosen =
      partitioner === null
        ? null
        : (partitioner as (topic: string, key: unknown, value: unknown, partitions: number) => number | readonly number[] | null)(
            topic,
            record.key,
            record.value,
            partitions,
          )
    const { timestamp, headers } = record
    if (chosen === null && partitioner === null) return [{ topic, partition: this.#default(key, partitions), key, value, timestamp, headers }]
    const wanted = chosen === null ? [this.#default(key, partitions)] : typeof chosen === 'number' ? [chosen] : chosen
    if (partitioner !== null) refuseOutside(wanted, topic, partitions)
    return wanted.map((partition) => ({ topic, partition, key, value, timestamp, headers }))
  }

  /** The partition of a record without a serialised key: the task's own number. No order is promised for such records. */
  #default(key: Uint8Array | null, partitions: number): number {
    return key === null ? this.#current.partition % partitions : partitionForKey(key, partitions)
  }
}

/** Measures the time from a record's timestamp to its end in a node without children. */
class EndToEnd {
  readonly #meters: TaskMeters
  readonly #sensor: Sensor

  constructor(node: string, meters: TaskMeters) {
    this.#meters = meters
    this.#sensor = meters.node(node).endToEnd
  }

  record({ timestamp }: Record<unknown, unknown>): void {
    this.#sensor.record(this.#meters.time.now - timestamp)
  }
}

function incomplete({ key }: LogRecord): WaggleError {
  return new WaggleError('WAGGLE_RECORD_INCOMPLETE', {
    message: key === null ? 'The record has no key' : 'The record has no value',
    next: 'Find out who writes to this topic beside Waggle, and let nobody else write there.',
  })
}
