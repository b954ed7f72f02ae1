import { TopologyTestDriver } from '../../../processor/simulation/topology-test-driver.ts'
import { Consumed, type TimestampExtractor } from '../../../topology/consumed.ts'
import type { Topology } from '../../../topology/graph.ts'
import { Produced } from '../../../topology/produced.ts'
import type { Windowed } from '../../../topology/record.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { GlobalKTable } from '../../../topology/streams/global-table.ts'
import type { KStream } from '../../../topology/streams/kstream.ts'
import type { KTable } from '../../../topology/streams/ktable.ts'
import { Grouped, Joined, Materialized, Repartitioned, StreamJoined } from '../../../topology/streams/options.ts'
import { Stores } from '../../../topology/streams/stores.ts'
import { StreamsBuilder } from '../../../topology/streams/streams-builder.ts'
import { BufferConfig, Suppressed } from '../../../topology/streams/suppressed.ts'
import { EmitStrategy, JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../../../topology/streams/windows.ts'

/** A step of a program over streams and tables of text, as data: the same program is built here and in Java. `of` and `other` are earlier steps. */
export type Step =
  | { readonly op: 'stream' | 'table' | 'globalTable'; readonly topic: string }
  | {
      readonly op: 'filter' | 'filterNot' | 'mapValues' | 'flatMapValues' | 'flatMap' | 'selectKey' | 'map' | 'repartition' | 'toTable' | 'toStream'
      readonly of: number
    }
  | { readonly op: 'versionedTable'; readonly topic: string; readonly history: number }
  | { readonly op: 'merge'; readonly of: number; readonly other: number }
  | {
      readonly op: 'aggregate'
      readonly of: number
      readonly by: 'key' | 'value'
      readonly fn: Fn
      readonly windows: Windows | null
      readonly onClose: boolean
    }
  | { readonly op: 'cogroup'; readonly of: number; readonly other: number; readonly windows: Windows | null }
  | { readonly op: 'tableAggregate'; readonly of: number; readonly fn: Fn }
  | { readonly op: 'tableJoin'; readonly of: number; readonly other: number; readonly kind: 'inner' | 'left' | 'outer' }
  | {
      readonly op: 'streamTableJoin'
      readonly of: number
      readonly other: number
      readonly kind: 'inner' | 'left'
      readonly grace: number | null
    }
  | { readonly op: 'globalJoin' | 'foreignKeyJoin'; readonly of: number; readonly other: number; readonly kind: 'inner' | 'left' }
  | {
      readonly op: 'streamJoin'
      readonly of: number
      readonly other: number
      readonly kind: 'inner' | 'left' | 'outer'
      readonly before: number
      readonly after: number
      readonly grace: number
    }
  | {
      readonly op: 'suppress'
      readonly of: number
      readonly limit: number | null
      /** Null: the bound is in bytes. */
      readonly maxRecords: number | null
      readonly maxBytes?: number
      readonly shutDown?: boolean
    }
  | { readonly op: 'to'; readonly of: number; readonly topic: string }

export type Fn = 'count' | 'reduce' | 'aggregate'

export interface Windows {
  readonly kind: 'time' | 'sliding' | 'session' | 'unlimited'
  /** The size, the time difference or the gap. */
  readonly size: number
  readonly advance: number
  readonly grace: number
}

export interface InputRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
  /** Waggle's tasks are killed after this step and start again; Kafka Streams' go on. */
  readonly crash: boolean
}

export interface Example {
  readonly optimization: 'none' | 'all'
  /** Updates of tables wait for a commit. */
  readonly cached: boolean
  /** A record's time also depends on its value. */
  readonly shifts: boolean
  readonly steps: readonly Step[]
  readonly records: readonly InputRecord[]
}

/** The records of each topic: key and value in hex, and the timestamp. */
export type Outputs = { readonly [topic: string]: readonly (readonly [key: string | null, value: string | null, timestamp: number])[] }

export async function run({
  optimization,
  cached,
  shifts,
  steps,
  records,
}: Example): Promise<{ readonly outputs: Outputs; readonly topology: Topology }> {
  const topology = topologyOf(steps, optimization)
  const driver = new TopologyTestDriver(topology, {
    applicationId: 'app',
    defaultKeySerde: text,
    defaultValueSerde: text,
    cacheMaxBytes: cached ? 10_000_000 : 0,
    ...(shifts ? { timestampExtractor: shifted } : {}),
  })
  const inputs = new Map<string, ReturnType<typeof driver.createInputTopic<string, string>>>()
  for (const { topic, key, value, timestamp, crash } of records) {
    const input = inputs.get(topic) ?? driver.createInputTopic(topic, text, text)
    inputs.set(topic, input)
    await input.pipeInput({ key, value, timestamp })
    if (crash) await driver.crash()
  }
  const outputs: { [topic: string]: Outputs[string] } = {}
  for (const topic of driver.producedTopicNames) {
    const list = driver.createOutputTopic(topic, bytes, bytes).readRecordsToList()
    outputs[topic] = list.map(({ key, value, timestamp }) => [hex(key), hex(value), timestamp])
  }
  await driver.close()
  return { outputs, topology }
}

type Text = KStream<string | null, string | null>
type TextTable = KTable<string, string>

function topologyOf(steps: readonly Step[], optimization: 'none' | 'all'): Topology {
  const builder = new StreamsBuilder()
  const made: unknown[] = []
  const streamAt = (at: number) => made[at] as Text
  const tableAt = (at: number) => made[at] as TextTable
  const isTable = (at: number) => 'toStream' in (made[at] as object)
  const make = (step: Step): unknown => {
    switch (step.op) {
      case 'stream':
        return builder.stream(step.topic, Consumed.with(text, text))
      case 'table':
        return builder.table(step.topic, Consumed.with(text, text))
      case 'versionedTable': {
        const supplier = Stores.persistentVersionedKeyValueStore(`versions-${step.topic}`, { historyRetentionMs: step.history })
        return builder.table(step.topic, Consumed.with(text, text), Materialized.as(supplier, { keySerde: text, valueSerde: text }))
      }
      case 'globalTable':
        return builder.globalTable(step.topic, Consumed.with(text, text))
      case 'filter':
        return isTable(step.of) ? tableAt(step.of).filter((_, value) => even(value)) : streamAt(step.of).filter((_, value) => even(value))
      case 'filterNot':
        return isTable(step.of) ? tableAt(step.of).filterNot((_, value) => even(value)) : streamAt(step.of).filterNot((_, value) => even(value))
      case 'mapValues':
        return isTable(step.of) ? tableAt(step.of).mapValues(mark) : streamAt(step.of).mapValues(mark)
      case 'flatMapValues':
        return streamAt(step.of).flatMapValues((value) => [show(value), cut(show(value) + show(value))])
      case 'flatMap':
        return streamAt(step.of).flatMap((key, value) => [[key, value] as const, [first(value), mark(value)] as const])
      case 'selectKey':
        return streamAt(step.of).selectKey((_, value) => first(value))
      case 'map':
        return streamAt(step.of).map((key, value) => [first(value), show(key)] as const)
      case 'merge':
        return streamAt(step.of).merge(streamAt(step.other))
      case 'repartition':
        return streamAt(step.of).repartition(Repartitioned.with(text, text))
      case 'toTable':
        return streamAt(step.of).toTable()
      case 'toStream':
        return (made[step.of] as KTable<unknown, string>).toStream().map((key, value) => [textKey(key), value] as const)
      case 'aggregate':
        return aggregate(streamAt(step.of), step)
      case 'cogroup':
        return cogroup(streamAt(step.of), streamAt(step.other), step.windows)
      case 'tableAggregate':
        return tableAggregate(tableAt(step.of), step.fn)
      case 'tableJoin': {
        const [left, right] = [tableAt(step.of), tableAt(step.other)]
        if (step.kind === 'left') return left.leftJoin(right, join)
        return step.kind === 'outer' ? left.outerJoin(right, join) : left.join(right, join)
      }
      case 'streamTableJoin': {
        const [left, right] = [streamAt(step.of), tableAt(step.other)]
        if (step.grace === null) return step.kind === 'left' ? left.leftJoin(right, join) : left.join(right, join)
        const joined = Joined.with(text, text, text, { gracePeriodMs: step.grace })
        // Kafka Streams fails here on a record without a key; Waggle emits it without a match.
        const keyed = left.filter((key) => key !== null)
        return step.kind === 'left' ? keyed.leftJoin(right, join, joined) : keyed.join(right, join, joined)
      }
      case 'globalJoin': {
        const [left, right] = [streamAt(step.of), made[step.other] as GlobalKTable<string, string>]
        return step.kind === 'left' ? left.leftJoin(right, (_, value) => first(value), join) : left.join(right, (_, value) => first(value), join)
      }
      case 'foreignKeyJoin': {
        const [left, right] = [tableAt(step.of), tableAt(step.other)]
        return step.kind === 'left' ? left.leftJoin(right, foreignKey, join) : left.join(right, foreignKey, join)
      }
      case 'streamJoin': {
        const [left, right] = [streamAt(step.of), streamAt(step.other)]
        const windows = JoinWindows.ofTimeDifferenceAndGrace(step.before, step.grace).after(step.after)
        const joined = StreamJoined.with(text, text, text)
        if (step.kind === 'left') return left.leftJoin(right, join, windows, joined)
        return step.kind === 'outer' ? left.outerJoin(right, join, windows, joined) : left.join(right, join, windows, joined)
      }
      case 'suppress': {
        const table = made[step.of] as KTable<Windowed<unknown>, string>
        if (step.limit === null) return table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
        const bounded = step.maxRecords === null ? BufferConfig.maxBytes(step.maxBytes ?? 0) : BufferConfig.maxRecords(step.maxRecords)
        return table.suppress(Suppressed.untilTimeLimit(step.limit, step.shutDown ? bounded.shutDownWhenFull() : bounded))
      }
      case 'to':
        return streamAt(step.of).to(step.topic, Produced.with(text, text))
    }
  }
  for (const step of steps) made.push(make(step))
  return builder.build({ optimization })
}

function aggregate(stream: Text, { by, fn, windows, onClose }: Extract<Step, { op: 'aggregate' }>): unknown {
  const serdes = Grouped.with(text, text)
  const grouped = by === 'key' ? stream.groupByKey(serdes) : stream.groupBy((_, value) => first(value), serdes)
  const emit = onClose ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate()
  if (windows === null) {
    if (fn === 'count') return grouped.count().mapValues(String)
    if (fn === 'reduce') return grouped.reduce(concat)
    return grouped.aggregate(empty, (_, value, sum) => concat(sum, value), Materialized.with(text, text))
  }
  if (windows.kind === 'session') {
    const sessions = grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(windows.size, windows.grace)).emitStrategy(emit)
    if (fn === 'count') return sessions.count().mapValues(String)
    if (fn === 'reduce') return sessions.reduce(concat)
    return sessions.aggregate(
      empty,
      (_, value, sum) => concat(sum, value),
      (_, a, b) => concat(a, b),
      Materialized.with(text, text),
    )
  }
  const windowed = grouped.windowedBy(cutBy(windows)).emitStrategy(emit)
  if (fn === 'count') return windowed.count().mapValues(String)
  if (fn === 'reduce') return windowed.reduce(concat)
  return windowed.aggregate(empty, (_, value, sum) => concat(sum, value), Materialized.with(text, text))
}

function cogroup(left: Text, right: Text, windows: Windows | null): unknown {
  const cogrouped = left
    .groupByKey(Grouped.with(text, text, { name: `co-${windows?.size ?? 0}-left` }))
    .cogroup((_, value, sum: string) => concat(sum, value))
    .cogroup(right.groupByKey(Grouped.with(text, text, { name: `co-${windows?.size ?? 0}-right` })), (_, value, sum) => concat(sum, mark(value)))
  const kept = Materialized.with(text, text)
  if (windows === null) return cogrouped.aggregate(empty, kept)
  if (windows.kind === 'session') {
    return cogrouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(windows.size, windows.grace)).aggregate(empty, (_, a, b) => concat(a, b), kept)
  }
  return cogrouped.windowedBy(cutBy(windows)).aggregate(empty, kept)
}

function cutBy({ kind, size, advance, grace }: Windows): TimeWindows | SlidingWindows | UnlimitedWindows {
  if (kind === 'sliding') return SlidingWindows.ofTimeDifferenceAndGrace(size, grace)
  return kind === 'unlimited' ? UnlimitedWindows.of().startOn(size) : TimeWindows.ofSizeAndGrace(size, grace).advanceBy(advance)
}

function tableAggregate(table: TextTable, fn: Fn): TextTable {
  const grouped = table.groupBy((_, value) => [first(value), value] as const, Grouped.with(text, text))
  if (fn === 'count') return grouped.count().mapValues(String)
  const subtract = (sum: string, value: string) => cut(`${sum}-${value}`)
  if (fn === 'reduce') return grouped.reduce(concat, subtract)
  return grouped.aggregate(
    empty,
    (_, value, sum) => concat(sum, value),
    (_, value, sum) => subtract(sum, value),
    Materialized.with(text, text),
  )
}

const text = Serdes.string()
const bytes = Serdes.bytes()
const empty = () => ''
const show = (value: unknown): string => (value === null ? 'null' : String(value))
const cut = (value: string): string => value.slice(-12)
const even = (value: string | null): boolean => show(value).charCodeAt(show(value).length - 1) % 2 === 0
const mark = (value: string | null): string => cut(`${show(value)}'`)
const first = (value: string | null): string => show(value).slice(0, 1)
/** Null for values that begin with a 3. */
const foreignKey = (value: string): string | null => (first(value) === '3' ? null : first(value))
const concat = (sum: string | null, value: string | null): string => cut(show(sum) + show(value))
const join = (left: string | null, right: string | null): string => cut(`${show(left)}|${show(right)}`)
const shifted: TimestampExtractor = ({ value, timestamp }, partitionTime) =>
  typeof value !== 'string' ? timestamp : value === '5y' ? partitionTime : timestamp - 7 + 5 * value.length
const hex = (data: Uint8Array | null): string | null => (data === null ? null : Buffer.from(data).toString('hex'))

function textKey(key: unknown): string | null {
  if (key === null || typeof key === 'string') return key
  const { key: inner, window } = key as Windowed<string>
  // Java's window ends at 2^63 - 1, which no JavaScript number holds.
  return `${inner}@${window.start}-${window.end === Number.MAX_SAFE_INTEGER ? 2n ** 63n - 1n : window.end}`
}
