// biome-ignore-all lint/complexity/noStaticOnlyClass: Kafka Streams' classes are what its users know
/**
 * Waggle's public TypeScript API. The names are Kafka Streams' in TypeScript's case; what differs, differs by these rules.
 *  1. Durations are milliseconds and end in `Ms`; points in time keep Kafka's names (`timestamp`, `start`, `end`), epoch ms.
 *  2. Absence is `null`, and no serde ever sees it. The types say where it can occur; they lose it where Kafka Streams drops it
 *     (aggregations, inner joins, tables). `undefined` where a value is due throws WAGGLE_UNDEFINED_VALUE.
 *  3. Key-value functions take `(key, value)`. Where Java has one form without the key and one with it, the key comes last:
 *     `mapValues((value, key) => …)`, `join(other, (left, right, key) => …)`.
 *  4. What Java sets by `withX(…)` is an entry of the last argument, `options`. Where Java takes both, Materialized comes before
 *     Named or TableJoined. An abstract class is made by its static methods.
 *  5. Java's enum constants are string literals, getters properties, KeyValue a tuple, iterators iterables that close themselves,
 *     functional interfaces functions. Stores and processors are synchronous; what takes time belongs in `mapAsync`.
 *  6. Serdes that are not given come from the operator before, then from StreamsConfig, else WAGGLE_SERDE_MISSING at start.
 * Whatever is thrown or rejected is a WaggleError; a mistake in a topology is thrown by the call that made it, or by `build`.
 */
declare module 'contract' {
  import type { Static, TSchema } from 'typebox'

  type Some<T> = NonNullable<T>
  abstract class Typed<T> {}
  // ── Records ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  export type KeyValue<K, V> = readonly [key: K, value: V]
  export interface Header {
    readonly key: string
    readonly value: Uint8Array | null
  }
  /** What `forward` takes; derive one by spreading: `{ ...record, value }`. Without headers it has none. */
  export interface NewRecord<K, V> {
    readonly key: K
    readonly value: V
    readonly timestamp: number
    readonly headers?: readonly Header[]
  }
  export interface Record<K, V> extends NewRecord<K, V> {
    readonly headers: readonly Header[]
  }
  export interface RecordMetadata {
    readonly topic: string
    readonly partition: number
    readonly offset: bigint
  }
  export interface Window {
    readonly start: number
    readonly end: number
  } // end: exclusive for time windows, else inclusive
  export interface Windowed<K> {
    readonly key: K
    readonly window: Window
  }
  /** A negative result drops the record. `partitionTime` is the highest timestamp of the partition so far, or -1. */
  export type TimestampExtractor = (record: Record<unknown, unknown> & RecordMetadata, partitionTime: number) => number
  export const TimestampExtractors: {
    readonly [name in 'failOnInvalid' | 'logAndSkipOnInvalid' | 'usePartitionTimeOnInvalid' | 'wallclock']: TimestampExtractor
  }
  // ── Serdes, in Java's wire form ───────────────────────────────────────────────────────────────────────────────────────
  export interface Serializer<in T> {
    serialize(topic: string, value: T, headers?: readonly Header[]): Uint8Array
  }
  export interface Deserializer<out T> {
    deserialize(topic: string, data: Uint8Array, headers?: readonly Header[]): T
  }
  export interface Serde<in out T> extends Serializer<T>, Deserializer<T> {
    /** Awaited before `deserialize` where something must be fetched first (a schema by its id); null where nothing must. */
    prepare?(topic: string, data: Uint8Array): Promise<void> | null
  }
  type AnySerde = Serializer<never> & Deserializer<unknown>
  export const Serdes: {
    string(): Serde<string>
    boolean(): Serde<boolean>
    bytes(): Serde<Uint8Array>
    uuid(): Serde<string>
    short(): Serde<number>
    integer(): Serde<number>
    float(): Serde<number>
    double(): Serde<number>
    /** 64 bits as a number: beyond ±(2^53 - 1) WAGGLE_UNSAFE_INTEGER, reading and writing. */
    long(): Serde<number>
    bigLong(): Serde<bigint>
    void(): Serde<never>
    list<T>(inner: Serde<T>): Serde<readonly T[]>
    /** What does not fit the schema is WAGGLE_INVALID_VALUE, reading and writing; without a schema T is taken on trust. */
    json<S extends TSchema>(schema: S): Serde<Static<S>>
    json<T>(): Serde<T>
    timeWindowed<K>(inner: Serde<K>, windowSizeMs: number): Serde<Windowed<K>>
    sessionWindowed<K>(inner: Serde<K>): Serde<Windowed<K>>
  }
  // ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  export class StreamsBuilder {
    stream<K, V>(topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): KStream<K, V>
    table<K, V>(topic: string, consumed: Consumed<K, V>, materialized?: Kept<Some<K>, Some<V>>): KTable<Some<K>, Some<V>>
    globalTable<K, V>(topic: string, consumed: Consumed<K, V>, materialized?: Kept<Some<K>, Some<V>>): GlobalKTable<Some<K>, Some<V>>
    addStateStore(store: StoreBuilder<StateStore>): this // WAGGLE_STORE_EXISTS where another has the name
    addGlobalStore<K, V>(
      store: StoreBuilder<StateStore>,
      topic: string,
      consumed: Consumed<K, V>,
      supplier: ProcessorSupplier<K, V, never, never>,
    ): this
    build(options?: { optimization?: 'none' | 'all' }): Topology // `all` merges repartition topics and reuses source topics as changelogs.
  }
  type Kept<K, V> = Materialized<K, V, 'keyValue'>
  type Predicate<K, V> = (key: K, value: V) => boolean
  type Joiner<K, L, R, W> = (left: L, right: R, key: K) => W
  type Selector<K, V, K2> = (key: K, value: Some<V>) => K2 | null
  type ForeignKey<K, V, K2> = (value: V, key: K) => K2 | null
  type Both<K, V, V2> = StreamJoined<Some<K>, Some<V>, Some<V2>>
  export type Aggregator<K, V, A> = (key: K, value: V, aggregate: A) => A | null // A null result deletes the key.
  export type Reducer<V> = (aggregate: V, value: V) => V | null
  export type Merger<K, A> = (key: K, left: A, right: A) => A | null
  export type TopicNameExtractor<K, V> = (key: K, value: V, record: RecordMetadata & Record<K, V>) => string
  /** A partition, several (a copy to each), none (dropped), or null for the default partitioner, which agrees with Java's. */
  export type StreamPartitioner<K, V> = (topic: string, key: K | null, value: V | null, partitions: number) => number | readonly number[] | null
  export interface KStream<K, V> {
    /** A predicate that narrows the value narrows the stream: `.filter((key, value) => value !== null)`. */
    filter<W extends V>(predicate: (key: K, value: V) => value is W, named?: Named): KStream<K, W>
    filter(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
    filterNot(predicate: Predicate<K, V>, named?: Named): KStream<K, V>
    selectKey<K2>(selector: (key: K, value: V) => K2, named?: Named): KStream<K2, V>
    map<K2, V2>(mapper: (key: K, value: V) => KeyValue<K2, V2>, named?: Named): KStream<K2, V2>
    mapValues<W>(mapper: (value: V, key: K) => W, named?: Named): KStream<K, W>
    flatMap<K2, V2>(mapper: (key: K, value: V) => Iterable<KeyValue<K2, V2>>, named?: Named): KStream<K2, V2>
    flatMapValues<W>(mapper: (value: V, key: K) => Iterable<W>, named?: Named): KStream<K, W>
    peek(action: (key: K, value: V) => void, named?: Named): KStream<K, V>
    foreach(action: (key: K, value: V) => void, named?: Named): void
    merge(other: KStream<K, V>, named?: Named): KStream<K, V>
    split(named?: Named): BranchedKStream<K, V>
    repartition(repartitioned?: Repartitioned<Some<K>, Some<V>>): KStream<K, V>
    to(topic: string | TopicNameExtractor<K, V>, produced?: Produced<Some<K>, Some<V>>): void
    toTable(materialized?: Kept<Some<K>, Some<V>>, named?: Named): KTable<Some<K>, Some<V>>
    /** Null keys and null values are dropped and counted in `dropped-records-total`, here and in inner joins. */
    groupByKey(grouped?: Grouped<Some<K>, Some<V>>): KGroupedStream<Some<K>, Some<V>>
    groupBy<K2>(selector: (key: K, value: V) => K2, grouped?: Grouped<Some<K2>, Some<V>>): KGroupedStream<Some<K2>, Some<V>>

    /** A null value joins nothing. A null key joins nothing either, but left and outer joins let it out unmatched (KIP-962). */
    join<V2, W>(
      other: KStream<K | null, V2>,
      joiner: Joiner<Some<K>, Some<V>, Some<V2>, W>,
      windows: JoinWindows,
      joined?: Both<K, V, V2>,
    ): KStream<Some<K>, W>
    join<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<Some<K>, Some<V>, V2, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<Some<K>, W>
    join<K2, V2, W>(table: GlobalKTable<K2, V2>, selector: Selector<K, V, K2>, joiner: Joiner<K, Some<V>, V2, W>, named?: Named): KStream<K, W>
    leftJoin<V2, W>(
      other: KStream<K | null, V2>,
      joiner: Joiner<K, Some<V>, Some<V2> | null, W>,
      windows: JoinWindows,
      joined?: Both<K, V, V2>,
    ): KStream<K, W>
    leftJoin<V2, W>(table: KTable<Some<K>, V2>, joiner: Joiner<K, Some<V>, V2 | null, W>, joined?: Joined<Some<K>, Some<V>, V2>): KStream<K, W>
    leftJoin<K2, V2, W>(
      table: GlobalKTable<K2, V2>,
      selector: Selector<K, V, K2>,
      joiner: Joiner<K, Some<V>, V2 | null, W>,
      named?: Named,
    ): KStream<K, W>
    outerJoin<V2, W>(
      other: KStream<K | null, V2>,
      joiner: Joiner<K, Some<V> | null, Some<V2> | null, W>,
      windows: JoinWindows,
      joined?: Both<K, V, V2>,
    ): KStream<K, W>

    process<K2, V2>(supplier: ProcessorSupplier<K, V, K2, V2>, options?: ProcessOptions): KStream<K2, V2>
    processValues<W>(supplier: FixedKeyProcessorSupplier<K, V, W>, options?: ProcessOptions): KStream<K, W>
    /** Beyond Kafka Streams: calls that take time. The commit position stays at the oldest record that is not done. */
    mapAsync<W>(mapper: (value: V, call: AsyncCall<K>) => Promise<W>, options: AsyncOptions): KStream<K, W>
    /** Beyond Kafka Streams: at most `size` records, none waiting past `timeoutMs`; unless `full`, closed once the next step is idle. */
    batch(options: { size: number; timeoutMs: number; release?: 'idle' | 'full'; name?: string }): BatchedKStream<K, V>
  }
  /** A record goes to the first branch whose predicate holds; the map has the branches that no consumer took. */
  export interface BranchedKStream<K, V> {
    branch(predicate: Predicate<K, V>, branched?: Branched<K, V>): BranchedKStream<K, V>
    defaultBranch(branched?: Branched<K, V>): ReadonlyMap<string, KStream<K, V>>
    noDefaultBranch(): ReadonlyMap<string, KStream<K, V>>
  }
  export interface BatchedKStream<K, V> {
    /** Each result takes the place of its record (key, timestamp, headers); any other number of results is WAGGLE_BATCH_LENGTH. */
    mapAsync<W>(mapper: (values: readonly V[], calls: readonly AsyncCall<K>[]) => Promise<readonly W[]>, options: AsyncOptions): KStream<K, W>
  }
  export interface AsyncCall<K> extends Record<K, unknown> {
    readonly attempt: number
    readonly signal: AbortSignal
  }
  /** `concurrency` counts calls in flight in a task; past `timeoutMs` a call is aborted and its record handled as WAGGLE_TIMEOUT. */
  export interface AsyncOptions {
    concurrency: number
    timeoutMs: number
    ordered?: 'partition' | 'key'
    retries?: number
    name?: string
  }
  // ── Tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** No value of a table is null: null is a key's absence, in what comes in and in what a function returns. */
  export interface KTable<K, V> {
    readonly queryableStoreName: string | null
    filter<W extends V>(predicate: (key: K, value: V) => value is W, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
    filter(predicate: Predicate<K, V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
    filterNot(predicate: Predicate<K, V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
    mapValues<W>(mapper: (value: V, key: K) => W | null, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
    toStream(named?: Named): KStream<K, V | null>
    suppress(suppressed: Suppressed<K>): KTable<K, V>
    groupBy<K2, V2>(selector: (key: K, value: V) => KeyValue<K2, V2>, grouped?: Grouped<Some<K2>, Some<V2>>): KGroupedTable<Some<K2>, Some<V2>>
    join<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V, V2, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
    join<K2, V2, W>(
      other: KTable<K2, V2>,
      foreignKey: ForeignKey<K, V, K2>,
      joiner: Joiner<K, V, V2, W | null>,
      materialized?: Kept<K, W>,
      joined?: TableJoined<K, K2>,
    ): KTable<K, W>
    leftJoin<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V, V2 | null, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
    leftJoin<K2, V2, W>(
      other: KTable<K2, V2>,
      foreignKey: ForeignKey<K, V, K2>,
      joiner: Joiner<K, V, V2 | null, W | null>,
      materialized?: Kept<K, W>,
      joined?: TableJoined<K, K2>,
    ): KTable<K, W>
    outerJoin<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V | null, V2 | null, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
  }
  export abstract class GlobalKTable<K, V> extends Typed<[K, V]> {
    readonly queryableStoreName: string | null
  }
  // ── Aggregations ──────────────────────────────────────────────────────────────────────────────────────────────────────
  interface Counted<K, V, Out, Kind extends StoreKind> {
    count(materialized?: Materialized<K, number, Kind>, named?: Named): KTable<Out, number>
    reduce(reducer: Reducer<V>, materialized?: Materialized<K, V, Kind>, named?: Named): KTable<Out, V>
  }
  export interface KGroupedStream<K, V> extends Counted<K, V, K, 'keyValue'> {
    aggregate<A>(initializer: () => A, aggregator: Aggregator<K, V, A>, materialized?: Kept<K, A>, named?: Named): KTable<K, A>
    windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows): TimeWindowedKStream<K, V>
    windowedBy(windows: SessionWindows): SessionWindowedKStream<K, V>
    cogroup<A>(aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A>
  }
  export interface TimeWindowedKStream<K, V> extends Counted<K, V, Windowed<K>, 'window'> {
    aggregate<A>(
      initializer: () => A,
      aggregator: Aggregator<K, V, A>,
      materialized?: Materialized<K, A, 'window'>,
      named?: Named,
    ): KTable<Windowed<K>, A>
    emitStrategy(strategy: EmitStrategy): TimeWindowedKStream<K, V>
  }
  export interface SessionWindowedKStream<K, V> extends Counted<K, V, Windowed<K>, 'session'> {
    aggregate<A>(
      initializer: () => A,
      aggregator: Aggregator<K, V, A>,
      merger: Merger<K, A>,
      materialized?: Materialized<K, A, 'session'>,
      named?: Named,
    ): KTable<Windowed<K>, A>
    emitStrategy(strategy: EmitStrategy): SessionWindowedKStream<K, V>
  }
  /** The subtractor takes a key's old value out of the aggregate before the adder puts the new one in. */
  export interface KGroupedTable<K, V> {
    count(materialized?: Kept<K, number>, named?: Named): KTable<K, number>
    reduce(adder: Reducer<V>, subtractor: Reducer<V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
    aggregate<A>(
      initializer: () => A,
      adder: Aggregator<K, V, A>,
      subtractor: Aggregator<K, V, A>,
      materialized?: Kept<K, A>,
      named?: Named,
    ): KTable<K, A>
  }
  export interface CogroupedKStream<K, A> {
    cogroup<V>(stream: KGroupedStream<K, V>, aggregator: Aggregator<K, V, A>): CogroupedKStream<K, A>
    aggregate(initializer: () => A, materialized?: Kept<K, A>, named?: Named): KTable<K, A>
    windowedBy(windows: TimeWindows | SlidingWindows | UnlimitedWindows): TimeWindowedCogroupedKStream<K, A>
    windowedBy(windows: SessionWindows): SessionWindowedCogroupedKStream<K, A>
  }
  export interface TimeWindowedCogroupedKStream<K, A> {
    aggregate(initializer: () => A, materialized?: Materialized<K, A, 'window'>, named?: Named): KTable<Windowed<K>, A>
  }
  export interface SessionWindowedCogroupedKStream<K, A> {
    aggregate(initializer: () => A, merger: Merger<K, A>, materialized?: Materialized<K, A, 'session'>, named?: Named): KTable<Windowed<K>, A>
  }
  // ── Windows: none has a default size or grace; what cannot be is WAGGLE_INVALID_WINDOW ────────────────────────────────
  export abstract class TimeWindows extends Typed<'time'> {
    // tumbling; hopping with `advanceBy`
    static ofSizeAndGrace(sizeMs: number, graceMs: number): TimeWindows
    static ofSizeWithNoGrace(sizeMs: number): TimeWindows
    advanceBy(advanceMs: number): TimeWindows
  }
  export abstract class SlidingWindows extends Typed<'sliding'> {
    static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): SlidingWindows
    static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): SlidingWindows
  }
  export abstract class SessionWindows extends Typed<'session'> {
    static ofInactivityGapAndGrace(inactivityGapMs: number, graceMs: number): SessionWindows
    static ofInactivityGapWithNoGrace(inactivityGapMs: number): SessionWindows
  }
  export abstract class UnlimitedWindows extends Typed<'unlimited'> {
    static of(): UnlimitedWindows
    startOn(start: number): UnlimitedWindows
  }
  export abstract class JoinWindows extends Typed<'join'> {
    static ofTimeDifferenceAndGrace(timeDifferenceMs: number, graceMs: number): JoinWindows
    static ofTimeDifferenceWithNoGrace(timeDifferenceMs: number): JoinWindows
    before(timeDifferenceMs: number): JoinWindows
    after(timeDifferenceMs: number): JoinWindows
  }
  export abstract class EmitStrategy extends Typed<'emit'> {
    static onWindowUpdate(): EmitStrategy
    static onWindowClose(): EmitStrategy
  }
  export abstract class Suppressed<in K> extends Typed<(key: K) => void> {
    /** For windowed tables only, with a buffer that never emits early. */
    static untilWindowCloses(buffer: BufferConfig<'shutDown'>, named?: Named): Suppressed<Windowed<unknown>>
    static untilTimeLimit(timeLimitMs: number, buffer: BufferConfig, named?: Named): Suppressed<unknown>
  }
  /** Java's Suppressed.BufferConfig. Full, it emits its oldest record, or stops the application with WAGGLE_BUFFER_FULL. */
  export abstract class BufferConfig<out Full extends 'emitEarly' | 'shutDown' = 'emitEarly' | 'shutDown'> extends Typed<['buffer', Full]> {
    static unbounded(): BufferConfig<'shutDown'>
    static maxRecords(records: number): BufferConfig<'emitEarly'>
    static maxBytes(bytes: number): BufferConfig<'emitEarly'>
    withMaxRecords(records: number): BufferConfig<Full>
    withMaxBytes(bytes: number): BufferConfig<Full>
    emitEarlyWhenFull(): BufferConfig<'emitEarly'>
    shutDownWhenFull(): BufferConfig<'shutDown'>
  }
  // ── What goes with an operator ────────────────────────────────────────────────────────────────────────────────────────
  export abstract class Named extends Typed<'named'> {
    static as(name: string): Named
  }
  type OffsetReset = 'earliest' | 'latest' | 'none' | { readonly byDurationMs: number }
  export interface ConsumedOptions {
    timestampExtractor?: TimestampExtractor
    offsetReset?: OffsetReset
    name?: string
  }
  export abstract class Consumed<out K, out V> extends Typed<['consumed', K, V]> {
    static with<K, V>(key: Serde<K>, value: Serde<V>, options?: ConsumedOptions): Consumed<K | null, V | null>
    /** Drops and counts such records, and so takes null out of the stream's type. */
    skipNullKeys(): Consumed<Some<K>, V>
    skipNullValues(): Consumed<K, Some<V>>
  }
  export interface ProducedOptions<K, V> {
    partitioner?: StreamPartitioner<K, V>
    name?: string
  }
  export abstract class Produced<in K, in V> extends Typed<(key: K, value: V) => 'produced'> {
    static with<K, V>(key: Serde<K>, value: Serde<V>, options?: ProducedOptions<K, V>): Produced<K, V>
  }
  export abstract class Repartitioned<in K, in V> extends Typed<(key: K, value: V) => 'repartitioned'> {
    static with<K, V>(key: Serde<K>, value: Serde<V>, options?: ProducedOptions<K, V> & { numberOfPartitions?: number }): Repartitioned<K, V>
  }
  export abstract class Grouped<in K, in V> extends Typed<(key: K, value: V) => 'grouped'> {
    static with<K, V>(key: Serde<K>, value: Serde<V>, options?: { name?: string }): Grouped<K, V>
  }
  export abstract class Joined<in K, in V, in V2> extends Typed<(key: K, value: V, other: V2) => 'joined'> {
    /** `gracePeriodMs` needs a versioned table (KIP-923). */
    static with<K, V, V2>(key: Serde<K>, value: Serde<V>, other: Serde<V2>, options?: { gracePeriodMs?: number; name?: string }): Joined<K, V, V2>
  }
  export interface StreamJoinedOptions {
    storeName?: string
    thisStore?: StoreSupplier<'window'>
    otherStore?: StoreSupplier<'window'>
    logging?: Logging
    name?: string
  }
  export abstract class StreamJoined<in K, in V, in V2> extends Typed<(key: K, value: V, other: V2) => 'streamJoined'> {
    static with<K, V, V2>(key: Serde<K>, value: Serde<V>, other: Serde<V2>, options?: StreamJoinedOptions): StreamJoined<K, V, V2>
  }
  export abstract class TableJoined<in K, in K2> extends Typed<(key: K, other: K2) => 'tableJoined'> {
    static with<K, K2>(partitioner: StreamPartitioner<K, void>, other: StreamPartitioner<K2, void>, options?: { name?: string }): TableJoined<K, K2>
  }
  export abstract class Branched<K, V> extends Typed<['branched', K, V]> {
    static as<K, V>(name: string): Branched<K, V>
    static withConsumer<K, V>(consumer: (stream: KStream<K, V>) => void, named?: Named): Branched<K, V>
    static withFunction<K, V>(chain: (stream: KStream<K, V>) => KStream<K, V>, named?: Named): Branched<K, V>
  }
  export type Logging = boolean | { readonly [setting: string]: string } // false: lost with its task; an object: topic settings
  export interface StoreOptions {
    caching?: boolean
    logging?: Logging
  }
  export interface MaterializedOptions extends StoreOptions {
    retentionMs?: number
    storeType?: 'rocksDB' | 'inMemory'
  }
  /** A store that nobody named has Kafka Streams' generated name and cannot be queried. */
  export abstract class Materialized<in K, out V, out Kind extends StoreKind = never> extends Typed<(key: K) => ['materialized', V, Kind]> {
    static as<K = unknown, V = never, Kind extends StoreKind = never>(
      store: string | StoreSupplier<Kind>,
      options?: MaterializedOptions & { keySerde?: Serde<K>; valueSerde?: Serde<V> },
    ): Materialized<K, V, Kind>
    static with<K, V>(key: Serde<K>, value: Serde<V>, options?: MaterializedOptions): Materialized<K, V>
  }
  // ── State stores ──────────────────────────────────────────────────────────────────────────────────────────────────────
  type StoreKind = 'keyValue' | 'window' | 'session' | 'versioned'
  export interface StateStore {
    readonly name: string
    readonly persistent: boolean
  }
  /** Iteration is in the order of the keys' bytes. Bounds are inclusive; null is an open one. */
  export interface KeyValueStore<K, V> extends StateStore {
    get(key: K): V | null
    put(key: K, value: V | null): void
    putIfAbsent(key: K, value: V): V | null
    delete(key: K): V | null
    range(from: K | null, to: K | null, options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
    all(options?: { reverse?: boolean }): Iterable<KeyValue<K, V>>
    prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>>
    readonly approximateNumEntries: number
  }
  export interface WindowStore<K, V> extends StateStore {
    put(key: K, value: V | null, windowStart: number): void
    fetch(key: K, windowStart: number): V | null
    fetch(key: K, from: number, to: number): Iterable<KeyValue<number, V>>
    fetchAll(from: number, to: number): Iterable<KeyValue<Windowed<K>, V>>
  }
  export interface SessionStore<K, V> extends StateStore {
    put(session: Windowed<K>, value: V | null): void
    fetch(key: K): Iterable<KeyValue<Windowed<K>, V>>
    findSessions(key: K, earliestEnd: number, latestStart: number): Iterable<KeyValue<Windowed<K>, V>>
  }
  export interface ValueAndTimestamp<V> {
    readonly value: V
    readonly timestamp: number
  }
  export interface VersionedKeyValueStore<K, V> extends StateStore {
    get(key: K, asOf?: number): (ValueAndTimestamp<V> & { readonly validTo: number | null }) | null
    put(key: K, value: V | null, timestamp: number): void
  }
  export interface StoreSupplier<out Kind extends StoreKind> {
    readonly name: string
    readonly kind: Kind
  }
  export interface StoreBuilder<out S extends StateStore> {
    readonly name: string
    build(): S
  }
  type KeyValueSupplier = (name: string) => StoreSupplier<'keyValue'>
  type WindowSupplier = (name: string, options: { retentionMs: number; windowSizeMs: number; retainDuplicates?: boolean }) => StoreSupplier<'window'>
  type SessionSupplier = (name: string, options: { retentionMs: number }) => StoreSupplier<'session'>
  export const Stores: {
    readonly persistentKeyValueStore: KeyValueSupplier
    readonly inMemoryKeyValueStore: KeyValueSupplier
    readonly persistentWindowStore: WindowSupplier
    readonly inMemoryWindowStore: WindowSupplier
    readonly persistentSessionStore: SessionSupplier
    readonly inMemorySessionStore: SessionSupplier
    persistentVersionedKeyValueStore(name: string, options: { historyRetentionMs: number }): StoreSupplier<'versioned'>
    keyValueStoreBuilder<K, V>(
      supplier: StoreSupplier<'keyValue'>,
      key: Serde<K>,
      value: Serde<V>,
      options?: StoreOptions,
    ): StoreBuilder<KeyValueStore<K, V>>
    windowStoreBuilder<K, V>(
      supplier: StoreSupplier<'window'>,
      key: Serde<K>,
      value: Serde<V>,
      options?: StoreOptions,
    ): StoreBuilder<WindowStore<K, V>>
    sessionStoreBuilder<K, V>(
      supplier: StoreSupplier<'session'>,
      key: Serde<K>,
      value: Serde<V>,
      options?: StoreOptions,
    ): StoreBuilder<SessionStore<K, V>>
    versionedKeyValueStoreBuilder<K, V>(
      supplier: StoreSupplier<'versioned'>,
      key: Serde<K>,
      value: Serde<V>,
      options?: StoreOptions,
    ): StoreBuilder<VersionedKeyValueStore<K, V>>
    timestampedKeyValueStoreBuilder<K, V>(
      supplier: StoreSupplier<'keyValue'>,
      key: Serde<K>,
      value: Serde<V>,
      options?: StoreOptions,
    ): StoreBuilder<KeyValueStore<K, ValueAndTimestamp<V>>>
  }
  // ── Processors ────────────────────────────────────────────────────────────────────────────────────────────────────────
  interface Steps<Context, Input> {
    init?(context: Context): void
    readonly process: (record: Input) => void
    close?(): void
  }
  export interface Processor<KIn, VIn, KOut, VOut> extends Steps<ProcessorContext<KOut, VOut>, Record<KIn, VIn>> {}
  export interface FixedKeyProcessor<K, VIn, VOut> extends Steps<FixedKeyProcessorContext<VOut>, Record<K, VIn>> {}
  export type ProcessorSupplier<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>
  export type FixedKeyProcessorSupplier<K, VIn, VOut> = () => FixedKeyProcessor<K, VIn, VOut>
  /** `stores` are those it may use; a builder among them is added to the topology (KIP-401). */
  export interface ProcessOptions {
    stores?: readonly (string | StoreBuilder<StateStore>)[]
    named?: Named
  }
  interface Context {
    readonly applicationId: string
    readonly taskId: string
    readonly currentStreamTime: number
    readonly currentSystemTime: number
    readonly recordMetadata: RecordMetadata | null // null in a punctuation
    /** Typed by its builder. WAGGLE_STORE_NOT_CONNECTED where `stores` does not list it. */
    getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S
    schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator): Cancellable
    commit(): void
  }
  export interface ProcessorContext<in K, in V> extends Context {
    forward(record: NewRecord<K, V>, child?: string): void
  }
  export interface FixedKeyProcessorContext<in V> extends Context {
    forward(record: Omit<NewRecord<unknown, V>, 'key'>, child?: string): void
  } // the key stays
  export type PunctuationType = 'STREAM_TIME' | 'WALL_CLOCK_TIME'
  export type Punctuator = (timestamp: number) => void
  export interface Cancellable {
    cancel(): void
  }
  // ── Running ───────────────────────────────────────────────────────────────────────────────────────────────────────────
  export class Topology {
    addSource<K, V>(name: string, topics: string | readonly string[] | RegExp, consumed: Consumed<K, V>): this
    addProcessor<K, V, K2, V2>(name: string, supplier: ProcessorSupplier<K, V, K2, V2>, parents: readonly string[], options?: ProcessOptions): this
    addSink<K, V>(name: string, topic: string | TopicNameExtractor<K, V>, parents: readonly string[], produced: Produced<K, V>): this
    addStateStore(store: StoreBuilder<StateStore>, processors?: readonly string[]): this
    connectProcessorAndStateStores(processor: string, stores: readonly string[]): this
    describe(): { toString(): string; toMermaid(): string; toJSON(): unknown } // in Kafka Streams' own text
  }
  export class Streams implements AsyncDisposable {
    constructor(topology: Topology, config: StreamsConfig)
    readonly state: StreamsState
    readonly metrics: readonly Metric[]
    start(): Promise<void> // settles when RUNNING
    /** Past `timeoutMs` what is not committed is left to be done again: WAGGLE_CLOSE_TIMEOUT. */
    close(options: { timeoutMs: number }): Promise<void>
    [Symbol.asyncDispose](): Promise<void>
    pause(): void
    resume(): void
    addThread(): Promise<string>
    removeThread(): Promise<string | null>
    onStateChange(listener: (to: StreamsState, from: StreamsState) => void): () => void // returns how to stop listening
    /** Over all processes of the application (KIP-796). WAGGLE_STORE_UNKNOWN, WAGGLE_STORE_MIGRATED. */
    query<R>(request: { store: string; query: Query<R>; partitions?: readonly number[] }): Promise<ReadonlyMap<number, R>>
  }
  export type StreamsState = 'CREATED' | 'REBALANCING' | 'RUNNING' | 'PENDING_SHUTDOWN' | 'NOT_RUNNING' | 'PENDING_ERROR' | 'ERROR'
  export interface Metric {
    readonly group: string
    readonly name: string
    readonly tags: { readonly [tag: string]: string }
    readonly value: number
  } // named as in KIP-444
  export abstract class Query<out R> extends Typed<R> {} // typed by who asks: the store's own types are not known here
  export abstract class KeyQuery {
    static withKey<K, V>(key: K): Query<V | null>
  }
  export abstract class RangeQuery {
    static withRange<K, V>(from: K | null, to: K | null): Query<AsyncIterable<KeyValue<K, V>>>
  }
  export abstract class WindowKeyQuery {
    static withKeyAndWindowStartRange<K, V>(key: K, from: number, to: number): Query<readonly KeyValue<number, V>[]>
  }
  export abstract class WindowRangeQuery {
    static withWindowStartRange<K, V>(from: number, to: number): Query<AsyncIterable<KeyValue<Windowed<K>, V>>>
  }
  export interface StreamsConfig {
    // defaults are Kafka Streams' where it has the setting
    applicationId: string
    log: 'embedded' | { kafka: { brokers: readonly string[]; ssl?: boolean | object; sasl?: Sasl; client?: 'platformatic' | 'kafkajs' } }
    processing?: 'at_least_once' | 'exactly_once'
    deadLetterTopic?: string
    stateDir?: string
    numThreads?: number
    standbyReplicas?: number
    applicationServer?: string
    commitIntervalMs?: number
    maxTaskIdleMs?: number
    cacheMaxBytes?: number // all caches together. 0: every update of a table is emitted
    emitIntervalMs?: number // how often, at most, unmatched records and closed windows are looked for
    defaultKeySerde?: AnySerde
    defaultValueSerde?: AnySerde
    timestampExtractor?: TimestampExtractor
    ensureExplicitInternalResourceNaming?: boolean // refuses generated names for stores and internal topics (KIP-1111)
    deserializationHandler?: Handler<'resume' | 'fail'>
    processingHandler?: Handler<'resume' | 'fail'>
    productionHandler?: Handler<'resume' | 'fail' | 'retry'>
    uncaughtExceptionHandler?: (error: WaggleError) => 'REPLACE_THREAD' | 'SHUTDOWN_CLIENT' | 'SHUTDOWN_APPLICATION'
  }
  export type Sasl =
    | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
    | { mechanism: 'oauthbearer'; token: () => Promise<string> }
  export interface FailedRecord extends Record<unknown, unknown>, RecordMetadata {
    readonly node: string
    readonly taskId: string
  }
  export type Handler<Response> = (error: WaggleError, record: FailedRecord) => Response
  /** The one error class. `next` is the step to take, `place` is file:line:col of what a user wrote. */
  export class WaggleError extends Error {
    constructor(code: `WAGGLE_${string}`, what: { message: string; next: string; place?: string; cause?: unknown })
    readonly code: `WAGGLE_${string}`
    readonly next: string
    readonly place?: string
  }
  // ── Swarms ────────────────────────────────────────────────────────────────────────────────────────────────────────────
  /** What a payload is: a JSON Schema, or tensors; -1 is a free dimension. */
  export type PayloadType = TSchema | { readonly tensors: { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } } }
  export interface BeeDefinition<S extends TSchema, In, Out> {
    type: string
    summary: string
    spec: S
    examples?: readonly Static<S>[]
    delivery: string // prose: what becomes of a request on a crash, a replay, a duplicate
    input?: PayloadType | ((context: BeeContext<Static<S>>) => Promise<PayloadType>)
    output?: PayloadType | ((context: BeeContext<Static<S>>) => Promise<PayloadType>)
    create(context: BeeContext<Static<S>>): Bee<In, Out> | Promise<Bee<In, Out>>
  }
  /** One request at a time; a batch at once, each its own result or error; or nodes of the topology, keyed by request id. */
  export type Bee<In, Out> = { close?(): Promise<void> } & (
    | { process(input: In, request: BeeRequest): Out | Promise<Out> }
    | { processBatch(inputs: readonly In[], requests: readonly BeeRequest[]): Promise<readonly (Out | WaggleError)[]> }
    | { connect(input: KStream<string, In>, builder: StreamsBuilder): KStream<string, Out> | null }
  )
  export interface BeeRequest {
    readonly id: string
    readonly headers: readonly Header[]
    readonly deadline: number | null
    readonly signal: AbortSignal
  }
  export interface BeeContext<Spec> {
    readonly swarm: string
    readonly bee: string
    readonly spec: Spec
    readonly gpu: number
    readonly ports: BeePorts
    now(): number
    resolve(uri: string): Promise<string> // a local path for what the swarm names, or WAGGLE_NOT_RESOLVED
  }
  export interface BeeType {
    readonly type: string
  }
  export interface BeePorts {} // each connector adds its port, by declaration merging
  export function defineBee<S extends TSchema, In, Out>(definition: BeeDefinition<S, In, Out>): BeeType
  export interface SwarmDefinition {
    // as in swarm.yaml, key for key
    name: string
    bees: readonly {
      name: string
      type: string | BeeType
      input?: Input
      spec?: object
      gpu?: number
      replicas?: number
      max_replicas?: number
      timeout_seconds?: number
      on_timeout?: 'fail' | 'partial'
      on_error?: 'fail' | 'skip'
    }[]
  }
  export type Input = { name: string } | { join: readonly string[] } | { stack: readonly string[] }
  export interface Swarm {
    readonly name: string
    readonly topology: Topology
    plan(format?: 'text' | 'json' | 'mermaid'): string
  }
  /** All mistakes at once: WAGGLE_INVALID_SWARM, whose `cause` is an AggregateError of one WaggleError each, with its place. */
  export function defineSwarm(definition: SwarmDefinition): Swarm
  export function loadSwarm(path: string): Promise<Swarm>
}
declare module 'contract/testing' {
  import type { Header, KeyValueStore, Record, Serde, SessionStore, StreamsConfig, SwarmDefinition, Topology, WindowStore } from 'contract'
  /** Runs the real tasks, one record at a time, on a clock that only moves by hand. Defaults: start 0, no cache, emit at once. */
  export class TopologyTestDriver implements AsyncDisposable {
    constructor(topology: Topology, config?: Partial<StreamsConfig> & { startTimeMs?: number; partitions?: { readonly [topic: string]: number } })
    createInputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>): TestInputTopic<K, V>
    createOutputTopic<K, V>(name: string, key: Serde<K>, value: Serde<V>): TestOutputTopic<K, V>
    advanceWallClockTime(ms: number): Promise<void>
    getKeyValueStore<K, V>(name: string): KeyValueStore<K, V>
    getWindowStore<K, V>(name: string): WindowStore<K, V>
    getSessionStore<K, V>(name: string): SessionStore<K, V>
    crash(): Promise<void> // beyond Kafka's: kills the tasks where they stand, starts them from what is committed
    close(): Promise<void>
    [Symbol.asyncDispose](): Promise<void>
  }
  export interface TestInputTopic<K, V> {
    /** Settles when everything that follows from it is done. Without a timestamp it is the driver's wall clock. */
    pipeInput(key: K | null, value: V | null, timestamp?: number): Promise<void>
    pipeInput(record: { key: K | null; value: V | null; timestamp?: number; headers?: readonly Header[] }): Promise<void>
  }
  export interface TestOutputTopic<K, V> {
    readRecord(): Record<K | null, V | null> // WAGGLE_NO_RECORD where isEmpty()
    readRecordsToList(): Record<K | null, V | null>[]
    isEmpty(): boolean
  }
  export interface Answer {
    readonly status: number
    readonly requestId: string
    readonly body: unknown
  }
  export class SwarmTestDriver implements AsyncDisposable {
    /** `models`: fakes, each standing for the bee of its name. */
    constructor(swarm: string | SwarmDefinition, options?: { models?: { readonly [bee: string]: (input: unknown) => unknown }; startTimeMs?: number })
    request(payload: unknown, options?: { gateway?: string; headers?: { readonly [name: string]: string } }): Promise<Answer>
    advanceWallClockTime(ms: number): Promise<void>
    published(bee: string): readonly unknown[] // what a bee gave, and what `save-to-database` has in a table
    rows(table: string): readonly { readonly [column: string]: unknown }[]
    deadLetters(): readonly { readonly bee: string; readonly error: unknown }[]
    close(): Promise<void>
    [Symbol.asyncDispose](): Promise<void>
  }
}
