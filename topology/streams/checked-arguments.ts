import { Consumed } from '../consumed.ts'
import { Topology } from '../graph.ts'
import { Produced } from '../produced.ts'
import { MultiVersionedKeyQuery, RangeQuery, TimestampedRangeQuery, VersionedKeyQuery, WindowKeyQuery, WindowRangeQuery } from '../queries.ts'
import { Serdes } from '../serdes.ts'
import {
  aBoolean,
  aFunction,
  aName,
  aNumber,
  anything,
  aSchema,
  aSerde,
  aStore,
  aSupplier,
  aTopic,
  guard,
  instanceOf,
  type Kind,
  names,
  nothing,
  oneOfKinds,
  optionsOf,
  type Parameter,
  parameters,
  topics,
} from './argument-kinds.ts'
import { AsyncStream } from './async-stream.ts'
import { Branched, SplitStream } from './branched-stream.ts'
import { CogroupedStream, SessionWindowedCogroupedStream, TimeWindowedCogroupedStream } from './cogrouped-stream.ts'
import { GlobalKTable } from './global-table.ts'
import { GroupedStream } from './grouped-stream.ts'
import { GroupedTable } from './grouped-table.ts'
import { Joined, StreamJoined, TableJoined } from './join-options.ts'
import { Stream } from './kstream.ts'
import { Table } from './ktable.ts'
import { Materialized } from './materialized.ts'
import { Grouped, Named, Repartitioned } from './options.ts'
import { SessionWindowedStream } from './session-windowed-stream.ts'
import { Stores } from './stores.ts'
import { BufferConfig, Suppressed } from './suppressed.ts'
import { TimeWindowedStream } from './time-windowed-stream.ts'
import { EmitStrategy, JoinWindows, SessionWindows, SlidingWindows, TimeWindows, UnlimitedWindows } from './windows.ts'

const named = instanceOf('a Named', Named)
const stream = instanceOf('a KStream', Stream)
const table = instanceOf('a KTable', Table)
const consumed = instanceOf('a Consumed', Consumed)
const produced = instanceOf('a Produced', Produced)
const grouped = instanceOf('a Grouped', Grouped)
const materialized = instanceOf('a Materialized', Materialized)
const timeWindows = instanceOf('windows of time', TimeWindows, SlidingWindows, UnlimitedWindows)
const sessionWindows = instanceOf('SessionWindows', SessionWindows)
const windows = oneOfKinds('windows', timeWindows, sessionWindows)
const buffer = instanceOf('a BufferConfig', BufferConfig)
const branched = instanceOf('a Branched', Branched)
const emitStrategy = instanceOf('an EmitStrategy', EmitStrategy)
const joinWindows = instanceOf('JoinWindows', JoinWindows)
const anObject = optionsOf({})
const logging = oneOfKinds('a boolean, or an object of settings', aBoolean, anObject)
const serdeOrNull = oneOfKinds('a serde, or null', aSerde, nothing)
const storeOptions = { logging, caching: aBoolean }
const materializedOptions = { ...storeOptions, retentionMs: aNumber, storeType: aName }
const stores: Kind = (value, name) =>
  Array.isArray(value) && value.every((one) => aName(one, name) === null || aStore(one, name) === null)
    ? null
    : { name, wanted: 'an array of store builders or names of stores' }
const processing = optionsOf({ stores, named })
const asyncOptions = optionsOf({ concurrency: aNumber, timeoutMs: aNumber, retries: aNumber, ordered: aName, name: aName })
const topicOrFunction = oneOfKinds("a topic's name, or a function", aTopic, aFunction)

const byKey = (method: string) => parameters({ [method]: aFunction, 'named?': named })
const kept = parameters({ 'materialized?': materialized, 'named?': named })
const keptBy = (...functions: readonly string[]) =>
  parameters({ ...Object.fromEntries(functions.map((one) => [one, aFunction])), 'materialized?': materialized, 'named?': named })

/** The parameters of a stream's join, which depend on the kind of the other side. */
function streamJoin(args: readonly unknown[]): readonly Parameter[] {
  const [other] = args
  if (other instanceof GlobalKTable)
    return parameters({ table: instanceOf('a GlobalKTable', GlobalKTable), selector: aFunction, joiner: aFunction, 'named?': named })
  if (other instanceof Table) return parameters({ table, joiner: aFunction, 'joined?': instanceOf('a Joined', Joined) })
  return outerJoin('a KStream, a KTable or a GlobalKTable')
}

function outerJoin(wanted: string): readonly Parameter[] {
  const other = instanceOf(wanted, Stream)
  return parameters({ other, joiner: aFunction, windows: joinWindows, 'joined?': instanceOf('a StreamJoined', StreamJoined) })
}

/** The parameters of a table's join. A join whose third argument is a function is a join by a foreign key. */
function tableJoin(args: readonly unknown[]): readonly Parameter[] {
  if (typeof args[2] !== 'function') return parameters({ other: table, joiner: aFunction, 'materialized?': materialized, 'named?': named })
  const joined = instanceOf('a TableJoined', TableJoined)
  return parameters({ other: table, foreignKey: aFunction, joiner: aFunction, 'materialized?': materialized, 'joined?': joined })
}

/** Makes all methods of the DSL, starting at `StreamsBuilder`, refuse wrong arguments. */
export function guardArguments(builder: object): void {
  guard(builder, 'StreamsBuilder', {
    stream: parameters({ topics, 'consumed?': consumed }),
    table: parameters({ topic: aTopic, 'consumed?': consumed, 'materialized?': materialized }),
    globalTable: parameters({ topic: aTopic, 'consumed?': consumed, 'materialized?': materialized }),
    addStateStore: parameters({ store: aStore }),
    addGlobalStore: parameters({ store: aStore, topic: aTopic, consumed, supplier: aFunction }),
    build: parameters({ 'options?': optionsOf({ optimization: aName }) }),
  })
  const filled = parameters({ store: aStore, sourceName: aName, consumed, topic: aTopic, processorName: aName, supplier: aFunction })
  guard(Topology.prototype, 'Topology', {
    addSource: parameters({ name: aName, topics, consumed }),
    addProcessor: parameters({ name: aName, supplier: aFunction, parents: names, 'options?': processing }),
    addSink: parameters({ name: aName, topic: topicOrFunction, parents: names, produced }),
    addStateStore: parameters({ store: aStore, 'processors?': names }),
    addReadOnlyStateStore: filled,
    addGlobalStore: filled,
    connectProcessorAndStateStores: parameters({ processor: aName, stores: names }),
  })
  guardStreams()
  guardAggregations()
  guardOptions()
  guardWindows()
  guardStores()
  guardSerdes()
  guardQueries()
}

function guardStreams(): void {
  guard(Stream.prototype, 'KStream', {
    filter: byKey('predicate'),
    filterNot: byKey('predicate'),
    selectKey: byKey('selector'),
    map: byKey('mapper'),
    mapValues: byKey('mapper'),
    flatMap: byKey('mapper'),
    flatMapValues: byKey('mapper'),
    peek: byKey('action'),
    foreach: byKey('action'),
    merge: parameters({ other: stream, 'named?': named }),
    split: parameters({ 'named?': named }),
    repartition: parameters({ 'repartitioned?': instanceOf('a Repartitioned', Repartitioned) }),
    to: parameters({ topic: topicOrFunction, 'produced?': produced }),
    toTable: kept,
    groupByKey: parameters({ 'grouped?': grouped }),
    groupBy: parameters({ selector: aFunction, 'grouped?': grouped }),
    join: streamJoin,
    leftJoin: streamJoin,
    outerJoin: outerJoin('a KStream'),
    process: parameters({ supplier: aFunction, 'options?': processing }),
    processValues: parameters({ supplier: aFunction, 'options?': processing }),
    mapAsync: parameters({ mapper: aFunction, options: asyncOptions }),
    batch: parameters({ options: optionsOf({ size: aNumber, timeoutMs: aNumber, release: aName, name: aName }) }),
  })
  guard(AsyncStream.prototype, 'BatchedKStream', { mapAsync: parameters({ mapper: aFunction, options: asyncOptions }) })
  guard(SplitStream.prototype, 'BranchedKStream', {
    branch: parameters({ predicate: aFunction, 'branched?': branched }),
    defaultBranch: parameters({ 'branched?': branched }),
  })
  guard(Table.prototype, 'KTable', {
    filter: keptBy('predicate'),
    filterNot: keptBy('predicate'),
    mapValues: keptBy('mapper'),
    toStream: parameters({ 'named?': named }),
    suppress: parameters({ suppressed: instanceOf('a Suppressed', Suppressed) }),
    groupBy: parameters({ selector: aFunction, 'grouped?': grouped }),
    join: tableJoin,
    leftJoin: tableJoin,
    outerJoin: parameters({ other: table, joiner: aFunction, 'materialized?': materialized, 'named?': named }),
  })
}

function guardAggregations(): void {
  const counted = { count: kept, reduce: keptBy('reducer') }
  const windowed = parameters({ windows })
  guard(GroupedStream.prototype, 'KGroupedStream', {
    ...counted,
    aggregate: keptBy('initializer', 'aggregator'),
    windowedBy: windowed,
    cogroup: parameters({ aggregator: aFunction }),
  })
  guard(TimeWindowedStream.prototype, 'TimeWindowedKStream', {
    ...counted,
    aggregate: keptBy('initializer', 'aggregator'),
    emitStrategy: parameters({ strategy: emitStrategy }),
  })
  guard(SessionWindowedStream.prototype, 'SessionWindowedKStream', {
    ...counted,
    aggregate: keptBy('initializer', 'aggregator', 'merger'),
    emitStrategy: parameters({ strategy: emitStrategy }),
  })
  guard(GroupedTable.prototype, 'KGroupedTable', {
    count: kept,
    reduce: keptBy('adder', 'subtractor'),
    aggregate: keptBy('initializer', 'adder', 'subtractor'),
  })
  guard(CogroupedStream.prototype, 'CogroupedKStream', {
    cogroup: parameters({ stream: instanceOf('a KGroupedStream', GroupedStream), aggregator: aFunction }),
    aggregate: keptBy('initializer'),
    windowedBy: windowed,
  })
  guard(TimeWindowedCogroupedStream.prototype, 'TimeWindowedCogroupedKStream', { aggregate: keptBy('initializer') })
  guard(SessionWindowedCogroupedStream.prototype, 'SessionWindowedCogroupedKStream', { aggregate: keptBy('initializer', 'merger') })
}

function guardOptions(): void {
  const serdes = { key: serdeOrNull, value: serdeOrNull }
  const own = { keySerde: aSerde, valueSerde: aSerde }
  /** Guards a class of options: `with` takes serdes by position, `as` takes a name, with serdes among the options. */
  const withAndAs = (of: object, title: string, entries: { readonly [name: string]: Kind }, naming = 'name') => {
    const other: { [name: string]: Kind } = title.endsWith('Joined') ? { other: serdeOrNull } : {}
    const otherOwn: { [name: string]: Kind } = title.endsWith('Joined') ? { otherValueSerde: aSerde } : {}
    guard(of, title, {
      with: parameters({ ...serdes, ...other, 'options?': optionsOf(entries) }),
      as: parameters({ [naming]: aName, 'options?': optionsOf({ ...entries, ...own, ...otherOwn }) }),
    })
  }
  guard(Named, 'Named', { as: parameters({ name: aName }) })
  withAndAs(Consumed, 'Consumed', { timestampExtractor: aFunction, name: aName })
  withAndAs(Produced, 'Produced', { partitioner: aFunction, name: aName })
  withAndAs(Repartitioned, 'Repartitioned', { partitioner: aFunction, name: aName, numberOfPartitions: aNumber })
  withAndAs(Grouped, 'Grouped', { name: aName })
  withAndAs(Joined, 'Joined', { gracePeriodMs: aNumber, name: aName })
  withAndAs(StreamJoined, 'StreamJoined', { thisStore: aSupplier, otherStore: aSupplier, storeName: aName, logging, name: aName }, 'storeName')
  const partitioner = oneOfKinds('a function, or null', aFunction, nothing)
  guard(TableJoined, 'TableJoined', {
    with: parameters({ partitioner, other: partitioner, 'options?': optionsOf({ name: aName }) }),
    as: parameters({ name: aName, 'options?': optionsOf({ partitioner: aFunction, otherPartitioner: aFunction }) }),
  })
  guard(Materialized, 'Materialized', {
    as: parameters({
      store: oneOfKinds('a name, or a store supplier of Stores', aName, aSupplier),
      'options?': optionsOf({ ...materializedOptions, keySerde: aSerde, valueSerde: aSerde }),
    }),
    with: parameters({ ...serdes, 'options?': optionsOf(materializedOptions) }),
  })
  guard(Branched, 'Branched', {
    as: parameters({ name: aName }),
    withConsumer: parameters({ consumer: aFunction, 'named?': named }),
    withFunction: parameters({ chain: aFunction, 'named?': named }),
  })
  guard(Suppressed, 'Suppressed', {
    untilWindowCloses: parameters({ buffer, 'named?': named }),
    untilTimeLimit: parameters({ timeLimitMs: aNumber, buffer, 'named?': named }),
  })
}

function guardWindows(): void {
  const sized = parameters({ sizeMs: aNumber, graceMs: aNumber })
  const apart = parameters({ timeDifferenceMs: aNumber, graceMs: aNumber })
  guard(TimeWindows, 'TimeWindows', { ofSizeAndGrace: sized, ofSizeWithNoGrace: sized.slice(0, 1) })
  guard(TimeWindows.prototype, 'TimeWindows', { advanceBy: parameters({ advanceMs: aNumber }) })
  guard(SlidingWindows, 'SlidingWindows', { ofTimeDifferenceAndGrace: apart, ofTimeDifferenceWithNoGrace: apart.slice(0, 1) })
  guard(SessionWindows, 'SessionWindows', {
    ofInactivityGapAndGrace: parameters({ inactivityGapMs: aNumber, graceMs: aNumber }),
    ofInactivityGapWithNoGrace: parameters({ inactivityGapMs: aNumber }),
  })
  guard(UnlimitedWindows.prototype, 'UnlimitedWindows', { startOn: parameters({ start: aNumber }) })
  guard(JoinWindows, 'JoinWindows', { ofTimeDifferenceAndGrace: apart, ofTimeDifferenceWithNoGrace: apart.slice(0, 1) })
  guard(JoinWindows.prototype, 'JoinWindows', { before: apart.slice(0, 1), after: apart.slice(0, 1) })
  const [records, bytes] = [parameters({ records: aNumber }), parameters({ bytes: aNumber })]
  guard(BufferConfig, 'BufferConfig', { maxRecords: records, maxBytes: bytes })
  guard(BufferConfig.prototype, 'BufferConfig', { withMaxRecords: records, withMaxBytes: bytes })
}

function guardStores(): void {
  const name = parameters({ name: aName })
  const window = parameters({ name: aName, options: optionsOf({ retentionMs: aNumber, windowSizeMs: aNumber, retainDuplicates: aBoolean }) })
  const session = parameters({ name: aName, options: optionsOf({ retentionMs: aNumber }) })
  const builder = parameters({ supplier: aSupplier, key: aSerde, value: aSerde, 'options?': optionsOf(storeOptions) })
  guard(Stores, 'Stores', {
    persistentKeyValueStore: name,
    inMemoryKeyValueStore: name,
    persistentWindowStore: window,
    inMemoryWindowStore: window,
    persistentSessionStore: session,
    inMemorySessionStore: session,
    persistentVersionedKeyValueStore: parameters({ name: aName, options: optionsOf({ historyRetentionMs: aNumber }) }),
    keyValueStoreBuilder: builder,
    windowStoreBuilder: builder,
    sessionStoreBuilder: builder,
    versionedKeyValueStoreBuilder: builder,
    timestampedKeyValueStoreBuilder: builder,
    timestampedWindowStoreBuilder: builder,
  })
}

function guardSerdes(): void {
  const inner = parameters({ inner: aSerde })
  guard(Serdes, 'Serdes', {
    list: inner,
    json: parameters({ 'schema?': aSchema }),
    timeWindowed: parameters({ inner: aSerde, windowSizeMs: aNumber }),
    sessionWindowed: inner,
  })
}

function guardQueries(): void {
  const range = parameters({ from: anything, to: anything, 'options?': optionsOf({ resultOrder: aName }) })
  guard(RangeQuery, 'RangeQuery', { withRange: range })
  guard(TimestampedRangeQuery, 'TimestampedRangeQuery', { withRange: range })
  guard(VersionedKeyQuery, 'VersionedKeyQuery', { withKey: parameters({ key: anything, 'options?': optionsOf({ asOf: aNumber }) }) })
  guard(MultiVersionedKeyQuery, 'MultiVersionedKeyQuery', {
    withKey: parameters({ key: anything, 'options?': optionsOf({ fromTime: aNumber, toTime: aNumber, resultOrder: aName }) }),
  })
  guard(WindowKeyQuery, 'WindowKeyQuery', { withKeyAndWindowStartRange: parameters({ key: anything, from: aNumber, to: aNumber }) })
  guard(WindowRangeQuery, 'WindowRangeQuery', { withWindowStartRange: parameters({ from: aNumber, to: aNumber }) })
}
