/**
 * Types flow through a program, and a user's mistakes do not compile. Only tsc checks this file: a `@ts-expect-error` line without an error fails the
 * check.
 */
import {
  Branched,
  BufferConfig,
  Consumed,
  EmitStrategy,
  type FixedKeyProcessorContext,
  type GlobalKTable,
  Grouped,
  Joined,
  JoinWindows,
  KeyQuery,
  type KGroupedStream,
  type KStream,
  type KTable,
  Materialized,
  MultiVersionedKeyQuery,
  Named,
  type ProcessorContext,
  Produced,
  RangeQuery,
  Repartitioned,
  Serdes,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  type Streams,
  StreamsBuilder,
  Suppressed,
  TimestampedKeyQuery,
  TimeWindows,
  UnlimitedWindows,
  type ValueAndTimestamp,
  type VersionedRecord,
  type Windowed,
  WindowKeyQuery,
  WindowRangeQuery,
} from 'waggle-streams'
import type { TopologyTestDriver } from 'waggle-streams/testing'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function is<Expected>() {
  return <Actual>(_value: Actual, _same: Same<Actual, Expected>): void => {}
}

const text = Serdes.string()
const long = Serdes.long()
const builder = new StreamsBuilder()
const orders = builder.stream('orders', Consumed.with(text, long))
const full = builder.stream('full', Consumed.with(text, long).skipNullKeys().skipNullValues())
const prices = builder.table('prices', Consumed.with(text, long))
const names = builder.globalTable('names', Consumed.with(long, text))

// ── Types flow ─────────────────────────────────────────────────────────────────────────────────────────────────────────
is<KStream<string | null, number | null>>()(orders, true)
is<KStream<string, number>>()(full, true)
is<KTable<string, number>>()(prices, true)
is<GlobalKTable<number, string>>()(names, true)
is<KStream<string | null, number>>()(
  orders.filter((_, value): value is number => value !== null),
  true,
)
is<KStream<string | null, number>>()(
  orders.filter((_, value) => value !== null),
  true,
)
is<KStream<string, bigint>>()(
  full.mapValues((value, key) => BigInt(value + key.length)),
  true,
)
is<KStream<number, string>>()(
  full.map((key, value) => [value, key] as const),
  true,
)
is<KStream<number, string>>()(
  full.map((key, value) => [value, key]),
  true,
)
is<KStream<string, string>>()(
  full.flatMapValues((value) => String(value)),
  true,
)
is<KGroupedStream<string, number>>()(orders.groupByKey(), true)
is<KTable<string, number>>()(orders.groupByKey().count(), true)
is<KTable<Windowed<string>, number>>()(orders.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1)).count(), true)
is<KTable<Windowed<string>, number>>()(orders.groupByKey().windowedBy(UnlimitedWindows.of()).count(), true)
is<KTable<Windowed<string>, string[]>>()(
  orders
    .groupByKey()
    .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(1))
    .aggregate<string[]>(
      () => [],
      (key, value, sum) => [...sum, `${key.length}${value.toFixed()}`],
      (_, left, right) => [...left, ...right],
    ),
  true,
)
is<KStream<string, number | null>>()(prices.toStream(), true)
is<KStream<string, string>>()(
  orders.join(prices, (order, price, key) => `${key.length}${order.toFixed()}${price.toFixed()}`),
  true,
)
is<KStream<string | null, string>>()(
  orders.leftJoin(prices, (order, price) => `${order.toFixed()}${price?.toFixed()}`),
  true,
)
is<KStream<string | null, string>>()(
  orders.join(
    names,
    (_, order) => order,
    (order, name) => `${order.toFixed()}${name.length}`,
  ),
  true,
)
is<KStream<string, number>>()(
  orders.join(orders, (left, right) => left + right, JoinWindows.ofTimeDifferenceWithNoGrace(1)),
  true,
)
is<KStream<string | null, number>>()(
  orders.outerJoin(orders, (left, right) => (left ?? 0) + (right ?? 0), JoinWindows.ofTimeDifferenceWithNoGrace(1)),
  true,
)
is<KTable<string, string>>()(
  prices.outerJoin(prices, (left, right) => `${left?.toFixed()}${right?.toFixed()}`),
  true,
)
is<KTable<string, string>>()(
  prices.join(
    builder.table('by-price', Consumed.with(long, text)),
    (price) => price,
    (price, name) => `${price.toFixed()}${name.length}`,
  ),
  true,
)
is<KTable<Windowed<string>, number>>()(
  orders.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1)).count().suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded())),
  true,
)
// A name alone has no types of its own.
is<KStream<string | null, number | null>>()(builder.stream<string, number>('by-default'), true)
is<KStream<string | null, number | null>>()(builder.stream('named', Consumed.as<string, number>('source')), true)
is<KTable<string, number>>()(builder.table<string, number>('by-default'), true)
is<KGroupedStream<number, number>>()(
  full.groupBy((_, value) => value, Grouped.as('grouped')),
  true,
)
is<KGroupedStream<number, number>>()(
  full.groupBy((_, value) => value, Grouped.as('grouped', { keySerde: long })),
  true,
)
is<KStream<string, number>>()(full.repartition(Repartitioned.as('spread')), true)
is<KStream<string, string>>()(
  full.join(prices, (order, price) => `${order.toFixed()}${price.toFixed()}`, Joined.as('joined')),
  true,
)
full.to('out', Produced.as('sink', { valueSerde: long }))
// @ts-expect-error The stream has numbers.
full.to('out', Produced.as('sink', { valueSerde: text }))
// @ts-expect-error The new keys are numbers.
full.groupBy((_, value) => value, Grouped.as('grouped', { keySerde: text }))
const split = full
  .split()
  .branch(
    (_, value) => value > 1,
    Branched.withFunction((stream) => stream),
  )
  .defaultBranch()
is<ReadonlyMap<string, KStream<string, number>>>()(split, true)
is<KStream<string, boolean>>()(
  full.mapAsync(async (value) => value > 1, { concurrency: 1, timeoutMs: 1 }),
  true,
)
is<KStream<string, string>>()(
  full.batch({ size: 2, timeoutMs: 1 }).mapAsync(async (values, calls) => values.map((value, at) => `${value.toFixed()}${calls[at]?.key.length}`), {
    concurrency: 1,
    timeoutMs: 1,
  }),
  true,
)

declare const streams: Streams
export async function queries(): Promise<void> {
  const one = await streams.query({ store: 's', query: KeyQuery.withKey<string, number>('k') })
  is<ReadonlyMap<number, number | null>>()(one, true)
  const timed = await streams.query({ store: 's', query: TimestampedKeyQuery.withKey<string, number>('k') })
  is<ReadonlyMap<number, ValueAndTimestamp<number> | null>>()(timed, true)
  const versions = await streams.query({ store: 's', query: MultiVersionedKeyQuery.withKey<string, number>('k', { fromTime: 1 }) })
  is<ReadonlyMap<number, readonly VersionedRecord<number>[]>>()(versions, true)
  const range = await streams.query({ store: 's', query: RangeQuery.withRange<string, number>(null, 'z') })
  for await (const [key, value] of range.get(0) ?? []) is<[string, number]>()([key, value] as [typeof key, typeof value], true)
  const windows = await streams.query({ store: 's', query: WindowKeyQuery.withKeyAndWindowStartRange<string, number>('k', 0, 1) })
  is<ReadonlyMap<number, readonly (readonly [key: number, value: number])[]>>()(windows, true)
  const all = await streams.query({ store: 's', query: WindowRangeQuery.withWindowStartRange<string, number>(0, 1) })
  for await (const [key] of all.get(0) ?? []) is<Windowed<string>>()(key, true)
}

// Stores are typed by their builders.
const store = Stores.timestampedKeyValueStoreBuilder(Stores.inMemoryKeyValueStore('s'), text, long)
full.process<string, string>(
  () => {
    let context: ProcessorContext<string, string> | null = null
    return {
      init(given) {
        context = given
      },
      process(record) {
        is<number>()(record.value, true)
        is<ValueAndTimestamp<number> | null | undefined>()(context?.getStateStore(store).get(record.key), true)
        context?.forward({ ...record, value: 'v' })
        // @ts-expect-error: it forwards text
        context?.forward({ ...record, value: 1 })
        // @ts-expect-error: a record needs a timestamp
        context?.forward({ key: 'k', value: 'v' })
        // @ts-expect-error: the store's keys are text
        context?.getStateStore(store).get(1)
      },
    }
  },
  { stores: [store, 'another'] },
)
full.processValues<string>(() => {
  let context: FixedKeyProcessorContext<string> | null = null
  return {
    init(given) {
      context = given
    },
    process(record) {
      context?.forward({ ...record, value: 'v' })
      context?.forward({ value: 'v', timestamp: 1 })
      // @ts-expect-error: it forwards text
      context?.forward({ ...record, value: record.value })
    },
  }
})

// A Materialized is accepted if its kind of store fits.
full.groupByKey().count(Materialized.as('c'))
full.groupByKey().count(Materialized.as(Stores.inMemoryKeyValueStore('c')))
full
  .groupByKey()
  .windowedBy(TimeWindows.ofSizeWithNoGrace(1))
  .count(Materialized.as(Stores.inMemoryWindowStore('c', { retentionMs: 1, windowSizeMs: 1 })))
full
  .groupByKey()
  .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(1))
  .count(Materialized.as(Stores.inMemorySessionStore('c', { retentionMs: 1 })))
full.groupByKey().aggregate(
  () => 0n,
  (_, value, sum) => sum + BigInt(value),
  Materialized.with(text, Serdes.bigLong()),
)
full.groupByKey().reduce((sum, value) => sum + value, Materialized.as('r', { keySerde: text, valueSerde: long, caching: false, logging: false }))

// ── Mistakes do not compile ──────────────────────────────────────────────────────────────────────────────────────────────
const add = (left: number, right: number) => left + right
const near = JoinWindows.ofTimeDifferenceWithNoGrace(1)
const sessions = full.groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(1))
const tumbling = full.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(1))
const itself = (value: number) => value
const sumUp = (_: string, value: number, sum: number) => sum + value
const asText = (_: string, value: number) => String(value)
const big = (_: string, value: number, sum: bigint) => sum + BigInt(value)
const keyOf = (key: string) => key
const zero = () => 0
const windowsInMemory = Stores.inMemoryWindowStore('c', { retentionMs: 1, windowSizeMs: 1 })
const tableInMemory = Stores.inMemoryKeyValueStore('c')
const async = { concurrency: 1, timeoutMs: 1 }
// @ts-expect-error: a value may be null
orders.mapValues((value) => value.toFixed())
// @ts-expect-error: a key may be null
orders.mapValues((_, key) => key.length)
// @ts-expect-error: a predicate returns a boolean
full.filter(() => 'yes')
// @ts-expect-error: a pair has a key and a value
full.map((key) => [key])
// @ts-expect-error: the mapper returns a list of values
full.flatMapValues((value) => value)
// @ts-expect-error: merged streams have the same types
full.merge(full.mapValues(String))
// @ts-expect-error: the sink's values are text
full.to('out', Produced.with(text, text))
// @ts-expect-error: the sink's keys are numbers
full.to('out', Produced.with(long, long))
// @ts-expect-error: a topic's name is text
full.to((_, value) => value, Produced.with(text, long))
// @ts-expect-error: the groups' values are text
full.groupByKey(Grouped.with(text, text))
// @ts-expect-error: the keys of the groups are those that the selector returns
full.groupBy((_, value) => value, Grouped.with(text, long))
// @ts-expect-error: the topic's values are text
full.repartition(Repartitioned.with(text, text))
// @ts-expect-error: the table's keys are numbers
full.join(builder.table('t', Consumed.with(long, long)), add)
// @ts-expect-error: the other stream's keys are numbers
full.join(builder.stream('s', Consumed.with(long, long)), add, near)
// @ts-expect-error: a join of two streams needs windows
full.join(full, add)
// @ts-expect-error: a left join's right side may be null
full.leftJoin(prices, add)
// @ts-expect-error: the right side of a left join of streams may be null
full.leftJoin(full, add, near)
// @ts-expect-error: an outer join's left side may be null
prices.outerJoin(prices, (left, right) => left + (right ?? 0))
// @ts-expect-error: the selector returns the global table's key
full.join(names, keyOf, (left, right) => `${left}${right}`)
// @ts-expect-error: each side needs the serde of its own values
full.join(prices, add, Joined.with(text, long, text))
// @ts-expect-error: each side needs the serde of its own values
full.join(full, add, near, StreamJoined.with(text, text, long))
// @ts-expect-error: the foreign key has the type of the other table's keys
prices.join(prices, itself, add)
// @ts-expect-error: a reducer returns the type of the values
full.groupByKey().reduce((sum, value) => `${sum}${value}`)
// @ts-expect-error: an aggregator returns the type of the initial aggregate
full.groupByKey().aggregate(zero, asText)
// @ts-expect-error: a count is a number
full.groupByKey().count(Materialized.with(text, text))
// @ts-expect-error: the value serde is that of the aggregate
full.groupByKey().aggregate(() => 0n, big, Materialized.with(text, text))
// @ts-expect-error: a count without windows needs a key-value store
full.groupByKey().count(Materialized.as(windowsInMemory))
// @ts-expect-error: a count of windows needs a window store
tumbling.count(Materialized.as(tableInMemory))
// @ts-expect-error: a count of sessions needs a session store
sessions.count(Materialized.as(windowsInMemory))
// @ts-expect-error: sessions need a merger
sessions.aggregate(zero, sumUp)
// @ts-expect-error: join windows are no windows for an aggregation
full.groupByKey().windowedBy(near)
// @ts-expect-error: the grace must be given
TimeWindows.ofSizeAndGrace(1)
// @ts-expect-error: a strategy is made by EmitStrategy
full.groupByKey().windowedBy(SlidingWindows.ofTimeDifferenceWithNoGrace(1)).emitStrategy('onWindowClose')
void EmitStrategy.onWindowClose()
// @ts-expect-error: only a table of windows can wait until its windows close
prices.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()))
// @ts-expect-error: a buffer that emits early cannot hold results until a window closes
Suppressed.untilWindowCloses(BufferConfig.maxRecords(1))
void Suppressed.untilWindowCloses(BufferConfig.maxRecords(1).shutDownWhenFull())
// @ts-expect-error: the supplier is of a window store
Stores.keyValueStoreBuilder(windowsInMemory, text, text)
// @ts-expect-error: a window store needs a retention
Stores.inMemoryWindowStore('s', { windowSizeMs: 1 })
// @ts-expect-error: a partitioner returns numbers
Produced.with(text, text, { partitioner: () => 'first' })
// @ts-expect-error: mapAsync needs its limits
full.mapAsync(async (value) => value)
// @ts-expect-error: the function of a batch returns a list
full.batch({ size: 1, timeoutMs: 1 }).mapAsync(async () => 1, async)
// @ts-expect-error: a serde serialises and deserialises
builder.stream('in', Consumed.with({ serialize: () => new Uint8Array() }, text))
// @ts-expect-error: the serde void takes no value
Serdes.void().serialize('t', null)
// @ts-expect-error: groupByKey takes Grouped
full.groupByKey(Named.as('groups'))
// @ts-expect-error: a table has no peek
prices.peek(() => {})
// @ts-expect-error: there is no default window
full.groupByKey().windowedBy()
// @ts-expect-error: the rows of this query are text
export const wrong: Promise<ReadonlyMap<number, number>> = streams.query({ store: 's', query: KeyQuery.withKey<string, string>('k') })

export function driving(driver: TopologyTestDriver): void {
  const input = driver.createInputTopic('in', text, long)
  void input.pipeInput(null, null)
  void input.pipeInput('k', 1, 2)
  void input.pipeInput({ key: 'k', value: null, headers: [{ key: 'h', value: null }] })
  // @ts-expect-error: values are numbers
  void input.pipeInput('k', 'v')
  // @ts-expect-error: a value is never undefined
  void input.pipeInput('k', undefined)
  const record = driver.createOutputTopic('out', text, long).readRecord()
  is<string | null>()(record.key, true)
  is<number | null>()(record.value, true)
}
