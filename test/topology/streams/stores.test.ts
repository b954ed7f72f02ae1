import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  JoinWindows,
  Materialized,
  type ProcessorSupplier,
  Produced,
  Serdes,
  type SessionStore,
  SessionWindows,
  type StateStore,
  type StoreBuilder,
  Stores,
  StreamJoined,
  StreamsBuilder,
  TimeWindows,
  Topology,
  WaggleError,
  type WindowStore,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text).skipNullKeys().skipNullValues()
const written = Produced.with(text, text)

/** A store of a user's own: what it holds is gone with its task. */
class Tally implements StateStore {
  readonly persistent = false
  readonly name: string
  readonly seen: string[] = []

  constructor(name: string) {
    this.name = name
  }
}

function tallies(name: string): { readonly builder: StoreBuilder<Tally>; readonly made: Tally[] } {
  const made: Tally[] = []
  const build = () => {
    const tally = new Tally(name)
    made.push(tally)
    return tally
  }
  return { builder: { name, build }, made }
}

/** Forwards with each value how many the store has seen. */
function counting(store: string | StoreBuilder<Tally>): ProcessorSupplier<string, string, string, string> {
  return () => {
    let count = (_: string) => 0
    let forward: (record: { key: string; value: string; timestamp: number }) => void = () => {}
    return {
      init(context) {
        const tally = context.getStateStore<Tally>(store as string)
        count = (value) => tally.seen.push(value)
        forward = (record) => context.forward(record)
      },
      process: ({ key, value, timestamp }) => forward({ key, value: `${value} ${count(value)}`, timestamp }),
    }
  }
}

async function outputs(
  topology: Topology,
  values: readonly string[],
  partitions = 1,
): Promise<{ driver: TopologyTestDriver; values: (string | null)[] }> {
  const driver = new TopologyTestDriver(topology, { partitions: { in: partitions } })
  const input = driver.createInputTopic('in', text, text)
  for (const value of values) await input.pipeInput(value, value, 0)
  return {
    driver,
    values: driver
      .createOutputTopic('out', text, text)
      .readRecordsToList()
      .map(({ value }) => value),
  }
}

describe('A store of a user’s own', () => {
  it('is what its processor gets, once a task, however it came into the program', async () => {
    const ways: ((store: StoreBuilder<Tally>) => Topology)[] = [
      (store) => {
        const builder = new StreamsBuilder()
        builder
          .stream('in', read)
          .process(counting(store), { stores: [store] })
          .to('out', written)
        return builder.build()
      },
      (store) => {
        const builder = new StreamsBuilder().addStateStore(store)
        builder
          .stream('in', read)
          .process(counting('tally'), { stores: ['tally'] })
          .to('out', written)
        return builder.build()
      },
      (store) =>
        new Topology()
          .addSource('source', 'in', read)
          .addProcessor('count', counting('tally'), ['source'])
          .addSink('sink', 'out', ['count'], written)
          .addStateStore(store, ['count']),
      (store) =>
        new Topology()
          .addSource('source', 'in', read)
          .addProcessor('count', counting(store), ['source'])
          .addSink('sink', 'out', ['count'], written)
          .addStateStore(store)
          .connectProcessorAndStateStores('count', ['tally']),
    ]
    for (const way of ways) {
      const { builder, made } = tallies('tally')
      const topology = way(builder)
      assert.equal(made.length, 0, 'nothing is made before there is a task')
      assert.match(topology.describe().toString(), /\(stores: \[tally\]\)/)
      const one = await outputs(topology, ['a', 'b', 'a'])
      assert.deepEqual(one.values, ['a 1', 'b 2', 'a 3'])
      assert.equal(made.length, 1)
      await one.driver.close()
      await outputs(topology, ['a', 'b', 'c', 'd'], 3)
      assert.equal(made.length, 1 + 3)
    }
  })

  it('is shared by the processors that name it, and is nobody else’s', async () => {
    const { builder: store, made } = tallies('tally')
    const topology = new Topology()
      .addSource('source', 'in', read)
      .addProcessor('first', counting('tally'), ['source'])
      .addProcessor('second', counting('tally'), ['first'])
      .addSink('sink', 'out', ['second'], written)
      .addStateStore(store, ['first', 'second'])
    assert.deepEqual((await outputs(topology, ['a', 'b'])).values, ['a 1 2', 'b 3 4'])
    assert.equal(made.length, 1)
    const without = new Topology()
      .addSource('source', 'in', read)
      .addProcessor('one', counting('tally'), ['source'])
      .addProcessor('other', counting('tally'), ['source'])
      .addStateStore(store, ['one'])
    assert.throws(() => new TopologyTestDriver(without), { code: 'WAGGLE_STORE_NOT_CONNECTED' })
  })

  it('is gone with its task, and has no changelog', async () => {
    const { builder: store } = tallies('tally')
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .process(counting(store), { stores: [store] })
      .to('out', written)
    const { driver } = await outputs(builder.build(), ['a', 'b'])
    await driver.crash()
    await driver.createInputTopic('in', text, text).pipeInput('c', 'c')
    assert.equal(driver.createOutputTopic('out', text, text).readRecordsToList().at(-1)?.value, 'c 1')
    assert.deepEqual(driver.producedTopicNames, ['out'])
  })

  it('that fails to be made says so', () => {
    const builder = new StreamsBuilder()
    const store: StoreBuilder<StateStore> = {
      name: 'broken',
      build() {
        throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', { message: 'no', next: 'none' })
      },
    }
    builder.stream('in', read).process(() => ({ process() {} }), { stores: [store] })
    const topology = builder.build()
    assert.throws(() => new TopologyTestDriver(topology), /no/)
  })
})

/** What a count in this store leaves behind, beside its output. */
async function counted(materialized: Materialized<string, number, 'keyValue'>) {
  const builder = new StreamsBuilder()
  builder.stream('in', read).groupByKey(Grouped.with(text, text)).count(materialized).toStream().to('out', Produced.with(text, Serdes.long()))
  const driver = new TopologyTestDriver(builder.build())
  await driver.createInputTopic('in', text, text).pipeInput('k', 'v', 7)
  return driver
}

describe('What a store is made with', () => {
  it('has a changelog unless logging is off', async () => {
    for (const supplier of [Stores.persistentKeyValueStore('counts'), Stores.inMemoryKeyValueStore('counts')]) {
      assert.deepEqual((await counted(Materialized.as(supplier))).producedTopicNames, ['out', 'test-counts-changelog'])
      assert.deepEqual((await counted(Materialized.as(supplier, { logging: false }))).producedTopicNames, ['out'])
      assert.deepEqual((await counted(Materialized.as(supplier, { logging: { 'retention.ms': '1' } }))).producedTopicNames, [
        'out',
        'test-counts-changelog',
      ])
    }
  })

  it('says whether it is persistent', async () => {
    const persistent = async (materialized: Materialized<string, number, 'keyValue'>) =>
      (await counted(materialized)).getKeyValueStore('counts').persistent
    assert.equal(await persistent(Materialized.as('counts')), true)
    assert.equal(await persistent(Materialized.as('counts', { storeType: 'inMemory' })), false)
    assert.equal(await persistent(Materialized.as(Stores.inMemoryKeyValueStore('counts'))), false)
    assert.equal(await persistent(Materialized.as(Stores.persistentKeyValueStore('counts'))), true)
  })

  it('keeps windows for as long as it is told, and that is not too short for them', async () => {
    const windows = TimeWindows.ofSizeAndGrace(10, 5)
    const kept = async (materialized: Materialized<string, number, 'window'>) => {
      const builder = new StreamsBuilder()
      builder.stream('in', read).groupByKey(Grouped.with(text, text)).windowedBy(windows).count(materialized)
      const driver = new TopologyTestDriver(builder.build())
      const input = driver.createInputTopic('in', text, text)
      for (const time of [0, 50]) await input.pipeInput('k', 'v', time)
      return [...driver.getWindowStore<string, unknown>('counts').fetch('k', 0, 100)].map(([start]) => start)
    }
    assert.deepEqual(await kept(Materialized.as('counts')), [50])
    assert.deepEqual(await kept(Materialized.as('counts', { retentionMs: 1000 })), [0, 50])
    assert.deepEqual(await kept(Materialized.as(Stores.inMemoryWindowStore('counts', { retentionMs: 1000, windowSizeMs: 10 }))), [0, 50])
    const builder = new StreamsBuilder()
    const grouped = builder.stream('in', read).groupByKey(Grouped.with(text, text))
    const short = { code: 'WAGGLE_INVALID_WINDOW', message: /kept for 14 ms, and its windows may change for 15 ms/ }
    assert.throws(() => grouped.windowedBy(windows).count(Materialized.as('short', { retentionMs: 14 })), short)
    const sessions = grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5))
    assert.throws(() => sessions.count(Materialized.as('short', { retentionMs: 14 })), short)
  })

  it('keeps each record of a join’s side under the name that it is given, if it fits the join', async () => {
    const windows = JoinWindows.ofTimeDifferenceAndGrace(10, 5)
    const joined = (thisStore: ReturnType<typeof Stores.inMemoryWindowStore>, otherStore = fitting('right')) => {
      const builder = new StreamsBuilder()
      const [left, right] = [builder.stream('in', read), builder.stream('other', read)]
      left.join(right, (a, b) => `${a}${b}`, windows, StreamJoined.with(text, text, text, { thisStore, otherStore })).to('out', written)
      return builder.build()
    }
    const options = { windowSizeMs: 20, retentionMs: 25, retainDuplicates: true }
    const fitting = (name: string) => Stores.inMemoryWindowStore(name, options)
    const driver = new TopologyTestDriver(joined(fitting('left')))
    const [left, right] = [driver.createInputTopic('in', text, text), driver.createInputTopic('other', text, text)]
    for (const value of ['a', 'b']) await left.pipeInput('k', value, 0)
    await right.pipeInput('k', 'x', 5)
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['ax', 'bx'],
    )
    assert.equal(driver.getWindowStore('left').persistent, false)
    assert.deepEqual(driver.producedTopicNames, ['out', 'test-left-changelog', 'test-right-changelog'])
    for (const wrong of [{ retainDuplicates: false }, { retentionMs: 26 }, { windowSizeMs: 19 }]) {
      assert.throws(() => joined(Stores.inMemoryWindowStore('left', { ...options, ...wrong })), { code: 'WAGGLE_INVALID_WINDOW' })
    }
    assert.throws(() => joined(fitting('same'), fitting('same')), { code: 'WAGGLE_STORE_EXISTS' })
  })

  it('is what a processor of its own reads and writes: by key, by window, by session', async () => {
    const windows = Stores.windowStoreBuilder(Stores.persistentWindowStore('windows', { retentionMs: 100, windowSizeMs: 10 }), text, text)
    const sessions = Stores.sessionStoreBuilder(Stores.inMemorySessionStore('sessions', { retentionMs: 100 }), text, text)
    const newest = Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('newest'), text, text)
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .process<string, string>(
        () => {
          let step: (key: string, value: string, timestamp: number) => void = () => {}
          return {
            init(context) {
              const [byWindow, bySession, byKey] = [context.getStateStore(windows), context.getStateStore(sessions), context.getStateStore(newest)]
              step = (key, value, timestamp) => {
                const before: WindowStore<string, string> = byWindow
                const session: SessionStore<string, string> = bySession
                const said = [before.fetch(key, 0), [...session.fetch(key)].length, byKey.get(key)?.timestamp ?? null]
                byWindow.put(key, value, 0)
                bySession.put({ key, window: { start: timestamp, end: timestamp } }, value)
                byKey.put(key, { value, timestamp })
                context.forward({ key, value: said.join(), timestamp })
              }
            },
            process: ({ key, value, timestamp }) => step(key, value, timestamp),
          }
        },
        { stores: [windows, sessions, newest] },
      )
      .to('out', written)
    const driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('k', 'a', 3)
    await driver.crash()
    await input.pipeInput('k', 'b', 4)
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      [',0,', 'a,1,3'],
    )
  })
})
