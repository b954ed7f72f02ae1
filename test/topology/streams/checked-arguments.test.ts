import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Branched,
  BufferConfig,
  Consumed,
  EmitStrategy,
  Grouped,
  Joined,
  JoinWindows,
  Materialized,
  Named,
  Produced,
  Repartitioned,
  Serdes,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  Streams,
  StreamsBuilder,
  Suppressed,
  TableJoined,
  TimeWindows,
  Topology,
  UnlimitedWindows,
  WaggleError,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text)
const fn = () => 'x'
const named = Named.as('n')
const kept = Materialized.with(text, text)
const near = JoinWindows.ofTimeDifferenceWithNoGrace(5)
const supplier = Stores.persistentKeyValueStore('s')
const store = () => Stores.keyValueStoreBuilder(supplier, text, text)
const calling = { concurrency: 1, timeoutMs: 1 }

/** A call without mistakes: its arguments by name. The last `optional` arguments may be left out. */
interface Call {
  readonly on: () => object
  readonly method: string
  readonly args: { readonly [name: string]: unknown }
  readonly optional?: number
  /** Other kinds that an argument may have, by the argument's name. */
  readonly also?: { readonly [name: string]: readonly string[] }
}

const builder = () => new StreamsBuilder()
const stream = () => builder().stream('in', read)
const table = () => builder().table('in', read)
const grouped = () => stream().groupByKey()
const windowed = () => grouped().windowedBy(TimeWindows.ofSizeWithNoGrace(5))
const sessions = () => grouped().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(5))
const cogrouped = () => grouped().cogroup(fn)
const topicKinds = { topics: ['array', 'RegExp'] }
const calls: Call[] = []

function add(
  on: () => object,
  optional: number,
  methods: { readonly [method: string]: { readonly [name: string]: unknown } },
  also: Call['also'] = {},
): void {
  for (const [method, args] of Object.entries(methods)) calls.push({ on, method, args, optional, also })
}

add(builder, 1, { stream: { topics: 'a', consumed: read } }, topicKinds)
add(builder, 2, { table: { topic: 'a', consumed: read, materialized: kept }, globalTable: { topic: 'a', consumed: read, materialized: kept } })
add(builder, 0, { addStateStore: { store: store() }, addGlobalStore: { store: store(), topic: 't', consumed: read, supplier: fn } })
add(builder, 1, { build: { options: {} } })
for (const method of ['filter', 'filterNot']) add(stream, 1, { [method]: { predicate: fn, named } })
for (const method of ['map', 'mapValues', 'flatMap', 'flatMapValues']) add(stream, 1, { [method]: { mapper: fn, named } })
add(stream, 1, {
  selectKey: { selector: fn, named },
  peek: { action: fn, named },
  foreach: { action: fn, named },
  split: { named },
  repartition: { repartitioned: Repartitioned.with(text, text) },
  groupByKey: { grouped: Grouped.with(text, text) },
  groupBy: { selector: fn, grouped: Grouped.with(text, text) },
  process: { supplier: fn, options: {} },
  processValues: { supplier: fn, options: {} },
})
add(stream, 1, { merge: { other: stream(), named } })
add(stream, 1, { to: { topic: 'out', produced: Produced.with(text, text) } }, { topic: ['function'] })
add(stream, 2, { toTable: { materialized: kept, named } })
add(stream, 0, { mapAsync: { mapper: fn, options: calling }, batch: { options: { size: 1, timeoutMs: 1 } } })
add(() => stream().batch({ size: 1, timeoutMs: 1 }), 0, { mapAsync: { mapper: fn, options: calling } })
const streams = { other: stream(), joiner: fn, windows: near, joined: StreamJoined.with(text, text, text) }
for (const method of ['join', 'leftJoin', 'outerJoin']) add(stream, 1, { [method]: streams })
for (const method of ['join', 'leftJoin']) {
  add(stream, 1, { [method]: { table: table(), joiner: fn, joined: Joined.with(text, text, text) } })
  add(stream, 1, { [method]: { table: builder().globalTable('g', read), selector: fn, joiner: fn, named } })
}
add(() => stream().split(), 1, { branch: { predicate: fn, branched: Branched.as('b') }, defaultBranch: { branched: Branched.as('b') } })
for (const method of ['filter', 'filterNot']) add(table, 2, { [method]: { predicate: fn, materialized: kept, named } })
add(table, 2, { mapValues: { mapper: fn, materialized: kept, named } })
add(table, 1, { toStream: { named }, groupBy: { selector: fn, grouped: Grouped.with(text, text) } })
add(table, 0, { suppress: { suppressed: Suppressed.untilTimeLimit(1, BufferConfig.unbounded()) } })
const tables = { other: table(), joiner: fn, materialized: kept, named }
for (const method of ['join', 'leftJoin']) {
  // With a function as the third argument, the call is a join by a foreign key.
  add(table, 2, { [method]: tables }, { materialized: ['function'] })
  add(
    table,
    2,
    { [method]: { other: table(), foreignKey: fn, joiner: fn, materialized: kept, joined: TableJoined.with(fn as never, fn as never) } },
    { joiner: ['Materialized', 'undefined'] },
  )
}
add(table, 2, { outerJoin: tables })
for (const on of [grouped, windowed]) {
  add(on, 2, { count: { materialized: kept, named }, reduce: { reducer: fn, materialized: kept, named } })
  add(on, 2, { aggregate: { initializer: fn, aggregator: fn, materialized: kept, named } })
}
add(sessions, 2, { count: { materialized: kept, named }, reduce: { reducer: fn, materialized: kept, named } })
add(sessions, 2, { aggregate: { initializer: fn, aggregator: fn, merger: fn, materialized: kept, named } })
const allWindows = { windows: ['TimeWindows', 'SlidingWindows', 'SessionWindows', 'UnlimitedWindows'] }
for (const on of [grouped, cogrouped]) add(on, 0, { windowedBy: { windows: TimeWindows.ofSizeWithNoGrace(1) } }, allWindows)
for (const on of [windowed, sessions]) add(on, 0, { emitStrategy: { strategy: EmitStrategy.onWindowUpdate() } })
add(grouped, 0, { cogroup: { aggregator: fn } })
add(cogrouped, 0, { cogroup: { stream: grouped(), aggregator: fn } })
add(cogrouped, 2, { aggregate: { initializer: fn, materialized: kept, named } })
add(() => cogrouped().windowedBy(TimeWindows.ofSizeWithNoGrace(5)), 2, { aggregate: { initializer: fn, materialized: kept, named } })
add(() => cogrouped().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(5)), 2, {
  aggregate: { initializer: fn, merger: fn, materialized: kept, named },
})
add(() => table().groupBy(fn as never), 2, {
  count: { materialized: kept, named },
  reduce: { adder: fn, subtractor: fn, materialized: kept, named },
  aggregate: { initializer: fn, adder: fn, subtractor: fn, materialized: kept, named },
})
const nullable = { key: ['null'], value: ['null'], other: ['null'], partitioner: ['null'] }
for (const one of [Consumed, Produced, Repartitioned, Grouped]) {
  add(() => one, 1, { with: { key: text, value: text, options: {} } }, nullable)
  add(() => one, 1, { as: { name: 'n', options: {} } })
}
for (const one of [Joined, StreamJoined]) add(() => one, 1, { with: { key: text, value: text, other: text, options: {} } }, nullable)
add(() => Joined, 1, { as: { name: 'n', options: {} } })
add(() => StreamJoined, 1, { as: { storeName: 'n', options: {} } })
add(() => TableJoined, 1, { as: { name: 'n', options: {} } })
add(() => TableJoined, 1, { with: { partitioner: fn, other: fn, options: {} } }, nullable)
add(() => Materialized, 1, { as: { store: 'name', options: {} } }, { store: ['object'] })
add(() => Materialized, 1, { with: { key: text, value: text, options: {} } }, nullable)
add(() => Named, 0, { as: { name: 'n' } })
add(() => Branched, 0, { as: { name: 'n' } })
add(() => Branched, 1, { withConsumer: { consumer: fn, named }, withFunction: { chain: fn, named } })
add(() => Suppressed, 1, {
  untilWindowCloses: { buffer: BufferConfig.unbounded(), named },
  untilTimeLimit: { timeLimitMs: 1, buffer: BufferConfig.unbounded(), named },
})
add(() => BufferConfig, 0, { maxRecords: { records: 1 }, maxBytes: { bytes: 1 } })
add(() => BufferConfig.unbounded(), 0, { withMaxRecords: { records: 1 }, withMaxBytes: { bytes: 1 } })
add(() => TimeWindows, 0, { ofSizeAndGrace: { sizeMs: 1, graceMs: 1 }, ofSizeWithNoGrace: { sizeMs: 1 } })
for (const one of [SlidingWindows, JoinWindows]) {
  add(() => one, 0, { ofTimeDifferenceAndGrace: { timeDifferenceMs: 1, graceMs: 1 }, ofTimeDifferenceWithNoGrace: { timeDifferenceMs: 1 } })
}
add(() => SessionWindows, 0, {
  ofInactivityGapAndGrace: { inactivityGapMs: 1, graceMs: 1 },
  ofInactivityGapWithNoGrace: { inactivityGapMs: 1 },
})
add(() => TimeWindows.ofSizeWithNoGrace(2), 0, { advanceBy: { advanceMs: 1 } })
add(() => UnlimitedWindows.of(), 0, { startOn: { start: 1 } })
add(() => near, 0, { before: { timeDifferenceMs: 1 }, after: { timeDifferenceMs: 1 } })
for (const kind of ['persistent', 'inMemory']) {
  add(() => Stores, 0, {
    [`${kind}KeyValueStore`]: { name: 's' },
    [`${kind}WindowStore`]: { name: 's', options: { retentionMs: 1, windowSizeMs: 1 } },
    [`${kind}SessionStore`]: { name: 's', options: { retentionMs: 1 } },
  })
}
add(() => Stores, 0, { persistentVersionedKeyValueStore: { name: 's', options: { historyRetentionMs: 1 } } })
for (const kind of ['keyValue', 'window', 'session', 'versionedKeyValue', 'timestampedKeyValue', 'timestampedWindow']) {
  add(() => Stores, 1, { [`${kind}StoreBuilder`]: { supplier, key: text, value: text, options: {} } })
}
add(() => new Topology(), 0, { addSource: { name: 's', topics: 't', consumed: read } }, topicKinds)
add(() => new Topology().addSource('s', 't', read), 1, { addProcessor: { name: 'p', supplier: fn, parents: ['s'], options: {} } })
add(
  () => new Topology().addSource('s', 't', read),
  0,
  { addSink: { name: 'k', topic: 'o', parents: ['s'], produced: Produced.with(text, text) } },
  { topic: ['function'] },
)
const filled = { store: store(), sourceName: 's', consumed: read, topic: 't', processorName: 'p', supplier: fn }
add(() => new Topology(), 0, { addReadOnlyStateStore: filled, addGlobalStore: filled })
add(() => new Topology(), 1, { addStateStore: { store: store(), processors: [] } })
add(() => new Topology(), 0, { connectProcessorAndStateStores: { processor: 'p', stores: [] } })

const wrongs: readonly unknown[] = [
  undefined,
  null,
  true,
  7,
  'text',
  Symbol('s'),
  fn,
  {},
  [],
  [7],
  /x/,
  new Date(0),
  stream(),
  table(),
  named,
  kept,
  read,
  text,
]

/** The kind of a value: its type, or the class of an object. A serde has a kind of its own, and an array of names has another kind than an array of numbers. */
function kindOf(value: unknown): string {
  if (value === null || typeof value !== 'object') return String(value === null ? null : typeof value)
  if (Array.isArray(value)) return value.length > 0 && typeof value[0] !== 'string' ? 'array of others' : 'array'
  if ('serialize' in value) return 'serde'
  if (value === supplier) return 'supplier'
  if ('build' in value) return 'store'
  const name = value.constructor.name
  return name === 'Object' ? 'object' : name
}

describe('A call of the DSL with a wrong argument', () => {
  for (const { on, method, args, optional = 0, also = {} } of calls) {
    const title = `${method}(${Object.keys(args).join(', ')}) of ${(typeof on() === 'function' ? (on() as { name: string }).name : on().constructor.name) || 'it'}`
    it(`is refused with the names of the method and the argument: ${title}`, () => {
      const names = Object.keys(args)
      for (const [at, name] of names.entries()) {
        for (const wrong of wrongs) {
          const isFine = kindOf(wrong) === kindOf(args[name]) || (also[name] ?? []).includes(kindOf(wrong))
          if (isFine || (wrong === undefined && at >= names.length - optional)) continue
          const given = Object.values(args).with(at, wrong)
          assert.throws(
            () => Reflect.apply(Reflect.get(on(), method) as () => unknown, on(), given),
            (error) => error instanceof WaggleError && error.message.includes(`.${method}: the argument `) && error.next.includes(`${method}(`),
            `${method} takes ${kindOf(wrong)} for ${name}`,
          )
        }
      }
    })
  }

  it('is tested here for each public method of the DSL that has parameters', () => {
    const tested = new Set(calls.map(({ method }) => method))
    const objects = [builder(), stream(), table(), grouped(), windowed(), sessions(), cogrouped(), stream().split(), table().groupBy(fn as never)]
    const classes = [
      Named,
      Consumed,
      Produced,
      Repartitioned,
      Grouped,
      Joined,
      StreamJoined,
      TableJoined,
      Materialized,
      Branched,
      Suppressed,
      BufferConfig,
    ]
    const windows = [TimeWindows, SlidingWindows, SessionWindows, UnlimitedWindows, JoinWindows, EmitStrategy]
    const methods = [...objects.map((one) => Object.getPrototypeOf(one) as object), ...classes, ...windows, Stores].flatMap((owner) =>
      Object.entries(Object.getOwnPropertyDescriptors(owner)).flatMap(([name, { value }]) => (typeof value === 'function' ? [name] : [])),
    )
    const withoutArguments = [
      'constructor',
      'noDefaultBranch',
      'of',
      'unbounded',
      'onWindowUpdate',
      'onWindowClose',
      'skipNullKeys',
      'skipNullValues',
    ]
    const internal = ['repartitionedFor', 'view', 'table', 'sourceFor', 'fromTopic', 'fromStream']
    assert.deepEqual(
      methods.filter((name) => !tested.has(name) && ![...withoutArguments, ...internal].includes(name)),
      [],
    )
  })

  it('names the wrong entry of its options', () => {
    assert.throws(() => Produced.with(text, text, { partitioner: 'x' as never }), {
      message: /Produced\.with: the argument options\.partitioner is not a function/,
    })
    assert.throws(() => stream().process(fn as never, { stores: [7 as never] }), { message: /KStream\.process: the argument options\.stores is not/ })
    assert.throws(() => Materialized.as('m', { retentionMs: '5' as never }), { message: /options\.retentionMs is not a number/ })
  })

  it('reports that a builder is not a topology, both for Streams and for the test driver', async () => {
    const message = /: the argument topology is not a Topology, which the `build` of a StreamsBuilder returns but an object \(StreamsBuilder\)/
    const config = { applicationId: 'a', log: 'embedded' } as const
    assert.throws(() => new Streams(builder() as never, config), { code: 'WAGGLE_INVALID_TOPOLOGY', message })
    assert.throws(() => new TopologyTestDriver(builder() as never), { code: 'WAGGLE_INVALID_TOPOLOGY', message })
    assert.throws(() => new Streams(builder().build(), undefined as never), {
      message: /new Streams: the argument config is not an object of options/,
    })
    const driver = new TopologyTestDriver(builder().build())
    for (const ms of [-5, Number.NaN, 'x' as never])
      await assert.rejects(driver.advanceWallClockTime(ms), { message: /the argument ms is not a number of ms/ })
  })
})
