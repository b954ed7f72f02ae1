import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  JoinWindows,
  Materialized,
  Produced,
  Serdes,
  type SessionStore,
  SessionWindows,
  Stores,
  StreamJoined,
  StreamsBuilder,
  TimeWindows,
  type WindowStore,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text).skipNullKeys().skipNullValues()
const written = Produced.with(text, text)

/** The rows and the output of a count that uses this store. */
async function counted(materialized: Materialized<string, number, 'keyValue'>) {
  const builder = new StreamsBuilder()
  builder.stream('in', read).groupByKey(Grouped.with(text, text)).count(materialized).toStream().to('out', Produced.with(text, Serdes.long()))
  const driver = new TopologyTestDriver(builder.build())
  await driver.createInputTopic('in', text, text).pipeInput('k', 'v', 7)
  return driver
}

describe('A store from a supplier or a builder', () => {
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

  it('tells whether it is persistent', async () => {
    const persistent = async (materialized: Materialized<string, number, 'keyValue'>) =>
      (await counted(materialized)).getKeyValueStore('counts').persistent
    assert.equal(await persistent(Materialized.as('counts')), true)
    assert.equal(await persistent(Materialized.as('counts', { storeType: 'inMemory' })), false)
    assert.equal(await persistent(Materialized.as(Stores.inMemoryKeyValueStore('counts'))), false)
    assert.equal(await persistent(Materialized.as(Stores.persistentKeyValueStore('counts'))), true)
  })

  it('keeps windows for its retention, and is refused if the retention is too short', async () => {
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
    const short = { code: 'WAGGLE_INVALID_WINDOW', message: /short would be kept for 14 ms, which is shorter than .* \(15 ms\)/ }
    assert.throws(() => grouped.windowedBy(windows).count(Materialized.as('short', { retentionMs: 14 })), short)
    const sessions = grouped.windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5))
    assert.throws(() => sessions.count(Materialized.as('short', { retentionMs: 14 })), short)
  })

  it('keeps the records of one side of a join under its given name, if the store fits the join', async () => {
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

  it('can be read and written by a custom processor: by key, by window, by session', async () => {
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

describe('Materialized', () => {
  it('refuses a storeType beside a supplier, because the supplier has a type already', () => {
    const supplier = Stores.inMemoryKeyValueStore('mine')
    for (const storeType of ['rocksDB', 'inMemory'] as const) {
      assert.throws(() => Materialized.as(supplier, { storeType }), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /mine/ })
    }
    assert.throws(() => Materialized.as('mine', { storeType: 'rocksdb' as never }), { code: 'WAGGLE_INVALID_TOPOLOGY', message: /rocksdb/ })
  })

  it('refuses a negative retention, and accepts 0', () => {
    for (const retentionMs of [-1, Number.NaN]) {
      assert.throws(() => Materialized.as('mine', { retentionMs }), { code: 'WAGGLE_INVALID_WINDOW', message: new RegExp(String(retentionMs)) })
      assert.throws(() => Materialized.with(text, text, { retentionMs }), { code: 'WAGGLE_INVALID_WINDOW' })
    }
    assert.equal(Materialized.as('mine', { retentionMs: 0 }).options.retentionMs, 0)
  })
})
