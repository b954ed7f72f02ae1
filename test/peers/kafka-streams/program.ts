import { Consumed } from '../../../topology/consumed.ts'
import type { ProcessOptions, Topology } from '../../../topology/graph.ts'
import { Produced } from '../../../topology/produced.ts'
import type { Windowed } from '../../../topology/record.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { GlobalKTable } from '../../../topology/streams/global-table.ts'
import { Joined, StreamJoined } from '../../../topology/streams/join-options.ts'
import type { KStream } from '../../../topology/streams/kstream.ts'
import type { KTable } from '../../../topology/streams/ktable.ts'
import { Materialized } from '../../../topology/streams/materialized.ts'
import { Grouped, Named, Repartitioned } from '../../../topology/streams/options.ts'
import { Stores } from '../../../topology/streams/stores.ts'
import { StreamsBuilder } from '../../../topology/streams/streams-builder.ts'
import { BufferConfig, Suppressed } from '../../../topology/streams/suppressed.ts'
import { EmitStrategy, JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from '../../../topology/streams/windows.ts'
import { processing, processingValues, processName, storeOf } from './processors.ts'
import type { Example, Fn, Step, Windows } from './steps.ts'
import { concat, cut, empty, even, first, foreignKey, join, mark, show } from './text.ts'

type Text = KStream<string | null, string | null>
type TextTable = KTable<string, string>

/** Builds an example's program with Waggle's DSL. */
export function topologyOf({ steps, optimization }: Pick<Example, 'steps' | 'optimization'>): Topology {
  const builder = new StreamsBuilder()
  const made: unknown[] = []
  const streamAt = (at: number) => made[at] as Text
  const tableAt = (at: number) => made[at] as TextTable
  const isTable = (at: number) => 'toStream' in (made[at] as object)
  const make = (step: Step, at: number): unknown => {
    switch (step.op) {
      case 'stream':
        return builder.stream(step.topic, Consumed.with(text, text))
      case 'streams':
        return builder.stream(step.topics, Consumed.with(text, text))
      case 'split': {
        const branches = streamAt(step.of)
          .split()
          .branch((_, value) => even(value))
          .defaultBranch()
        return [...branches.values()]
      }
      case 'branch':
        return (made[step.of] as Text[])[step.isDefault ? 1 : 0]
      case 'process':
        return streamAt(step.of).process(processing(step.how, at), optionsOf(step.how, at))
      case 'processValues':
        return streamAt(step.of).processValues(processingValues(step.how, at), optionsOf(step.how, at))
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
        return cogroup(streamAt(step.of), streamAt(step.other), step.windows, at)
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
        // For a record without a key, Kafka Streams fails in this step, and Waggle emits the record without a match.
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
  for (const [at, step] of steps.entries()) made.push(make(step, at))
  return builder.build({ optimization })
}

function optionsOf(how: string, at: number): ProcessOptions {
  const named = Named.as(processName(at))
  return how === 'count' ? { named, stores: [storeOf(at)] } : { named }
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

function cogroup(left: Text, right: Text, windows: Windows | null, at: number): unknown {
  const cogrouped = left
    .groupByKey(Grouped.with(text, text, { name: `co-${at}-left` }))
    .cogroup((_, value, sum: string) => concat(sum, value))
    .cogroup(right.groupByKey(Grouped.with(text, text, { name: `co-${at}-right` })), (_, value, sum) => concat(sum, mark(value)))
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
function textKey(key: unknown): string | null {
  if (key === null || typeof key === 'string') return key
  const { key: inner, window } = key as Windowed<string>
  // Java's window ends at 2^63 - 1. No JavaScript number has this value.
  return `${inner}@${window.start}-${window.end === Number.MAX_SAFE_INTEGER ? 2n ** 63n - 1n : window.end}`
}
