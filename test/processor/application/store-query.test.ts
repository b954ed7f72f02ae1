import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  KeyQuery,
  MultiVersionedKeyQuery,
  type Query,
  RangeQuery,
  type StateStore,
  type StoreBuilder,
  Stores,
  TimestampedKeyQuery,
  TimestampedRangeQuery,
  VersionedKeyQuery,
  WindowKeyQuery,
  WindowRangeQuery,
} from 'waggle-streams'
import { QueryWire } from '../../../processor/application/query-wire.ts'
import { answerQuery } from '../../../processor/application/store-query.ts'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { openStore } from '../../../processor/state/task-store.ts'
import { WriteBackStore } from '../../../processor/state/write-back-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { type KeptStore, keyValueStore } from '../../../topology/state-store.ts'

it('A query with a long answer lets other work of the process go on meanwhile', async () => {
  const builder = keyValueStore({ name: 'store', key: Serdes.integer(), value: Serdes.string() })
  const options = { topic: 't', maxEntries: 10_000, memory: new TaskMemory() }
  const store = new WriteBackStore<number, string>(builder, new SimulatedDisk().store('task', 'store'), options)
  for (let key = 0; key < 5000; key++) store.put(key, 'v')
  let turns = 0
  const other = () => {
    turns++
    return setImmediate(() => {
      last = other()
    })
  }
  let last = other()
  const keys: number[] = []
  const answer = answerQuery({ kind: 'range', from: null, to: null, reverse: false }, store, builder) as AsyncIterable<readonly [number, unknown]>
  for await (const [key] of answer) keys.push(key)
  clearImmediate(last)
  assert.equal(keys.length, 5000)
  assert.ok(turns >= 5, `${turns} turns`)
})

const text = Serdes.string()

/** Asks a store directly, and in the way in which another process asks. Checks that both answers are the same. */
async function answered<S extends StateStore>(
  builder: KeptStore & StoreBuilder<S>,
  fill: (store: S) => void,
  query: Query<unknown>,
): Promise<unknown> {
  const { store } = openStore(builder, new SimulatedDisk().store('task', 'st'), { topic: 't', maxEntries: 100, memory: new TaskMemory() })
  fill(store as S)
  const here = await rows(answerQuery(query.request, store, builder))
  const wire = new QueryWire(builder, 't')
  const request = JSON.parse(JSON.stringify(wire.writeRequest(query.request)))
  const sent = wire.writeAnswer(query.request.kind, answerQuery(wire.readRequest(request), store, builder))
  const overTheWire = async function* () {
    for await (const row of sent) yield JSON.parse(JSON.stringify(row))
  }
  assert.deepEqual(await rows(await wire.readAnswer(query.request.kind, overTheWire())), here)
  return here
}

async function rows(answer: unknown): Promise<unknown> {
  const isIterable = typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer
  return isIterable ? Array.fromAsync(answer as AsyncIterable<unknown>) : answer
}

describe('A query of a key-value store', () => {
  const plain = Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('st'), text, text)
  const fill = (store: ReturnType<typeof plain.build>) => {
    for (const key of ['a', 'b', 'c']) store.put(key, key.toUpperCase())
  }
  const timed = Stores.timestampedKeyValueStoreBuilder(Stores.persistentKeyValueStore('st'), text, text)
  const fillTimed = (store: ReturnType<typeof timed.build>) => {
    for (const [at, key] of ['a', 'b', 'c'].entries()) store.put(key, { value: key.toUpperCase(), timestamp: at })
  }

  it('returns a value, or null', async () => {
    assert.equal(await answered(plain, fill, KeyQuery.withKey('b')), 'B')
    assert.equal(await answered(plain, fill, KeyQuery.withKey('x')), null)
    assert.equal(await answered(timed, fillTimed, KeyQuery.withKey('b')), 'B')
  })

  it('returns a range of keys in either order', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((key) => [key, key.toUpperCase()])
    assert.deepEqual(await answered(plain, fill, RangeQuery.withRange('a', 'b')), [a, b])
    assert.deepEqual(await answered(plain, fill, RangeQuery.withRange(null, null, { resultOrder: 'DESCENDING' })), [c, b, a])
    assert.deepEqual(await answered(timed, fillTimed, RangeQuery.withRange('b', null, { resultOrder: 'ASCENDING' })), [b, c])
  })

  it('returns timestamps if the rows have timestamps, and is refused otherwise', async () => {
    assert.deepEqual(await answered(timed, fillTimed, TimestampedKeyQuery.withKey('c')), { value: 'C', timestamp: 2 })
    assert.equal(await answered(timed, fillTimed, TimestampedKeyQuery.withKey('x')), null)
    assert.deepEqual(await answered(timed, fillTimed, TimestampedRangeQuery.withRange(null, 'b', { resultOrder: 'DESCENDING' })), [
      ['b', { value: 'B', timestamp: 1 }],
      ['a', { value: 'A', timestamp: 0 }],
    ])
    const refused = { code: 'WAGGLE_QUERY_NOT_SUPPORTED', message: /no timestamps/ }
    await assert.rejects(answered(plain, fill, TimestampedKeyQuery.withKey('a')), refused)
    await assert.rejects(answered(plain, fill, TimestampedRangeQuery.withRange(null, null)), refused)
  })
})

describe('A query of a window store', () => {
  it('returns the windows of one key or of all keys', async () => {
    const supplier = Stores.persistentWindowStore('st', { retentionMs: 1000, windowSizeMs: 10 })
    const builder = Stores.timestampedWindowStoreBuilder(supplier, text, text)
    const fill = (store: ReturnType<typeof builder.build>) => {
      for (const start of [0, 10, 20]) store.put('k', { value: `v${start}`, timestamp: start }, start)
    }
    assert.deepEqual(await answered(builder, fill, WindowKeyQuery.withKeyAndWindowStartRange('k', 5, 20)), [
      [10, 'v10'],
      [20, 'v20'],
    ])
    assert.deepEqual(await answered(builder, fill, WindowRangeQuery.withWindowStartRange(0, 0)), [
      [{ key: 'k', window: { start: 0, end: 10 } }, 'v0'],
    ])
    const always = WindowKeyQuery.withKeyAndWindowStartRange('k', Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
    assert.equal(((await answered(builder, fill, always)) as unknown[]).length, 3)
    assert.equal(((await answered(builder, fill, WindowRangeQuery.withWindowStartRange(0, Number.POSITIVE_INFINITY))) as unknown[]).length, 3)
    await assert.rejects(answered(builder, fill, WindowRangeQuery.withKey('k')), { code: 'WAGGLE_QUERY_NOT_SUPPORTED' })
  })
})

describe('A query of a session store', () => {
  it('returns the sessions of a key, but no windows', async () => {
    const builder = Stores.sessionStoreBuilder(Stores.persistentSessionStore('st', { retentionMs: 1000 }), text, text)
    const fill = (store: ReturnType<typeof builder.build>) => {
      for (const [key, start, end] of [
        ['a', 0, 5],
        ['b', 1, 2],
        ['a', 10, 30],
      ] as const)
        store.put({ key, window: { start, end } }, `${key}${end}`)
    }
    assert.deepEqual(await answered(builder, fill, WindowRangeQuery.withKey('a')), [
      [{ key: 'a', window: { start: 0, end: 5 } }, 'a5'],
      [{ key: 'a', window: { start: 10, end: 30 } }, 'a30'],
    ])
    await assert.rejects(answered(builder, fill, WindowRangeQuery.withWindowStartRange(0, 9)), { code: 'WAGGLE_QUERY_NOT_SUPPORTED' })
  })
})

describe('A query of a versioned store', () => {
  const builder = Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore('st', { historyRetentionMs: 1000 }), text, text)
  const fill = (store: ReturnType<typeof builder.build>) => {
    store.put('k', 'v10', 10)
    store.put('k', null, 20)
    store.put('k', 'v30', 30)
    store.put('k', 'v40', 40)
  }
  const [v10, v30, v40] = [
    { value: 'v10', timestamp: 10, validTo: 20 },
    { value: 'v30', timestamp: 30, validTo: 40 },
    { value: 'v40', timestamp: 40, validTo: null },
  ]

  it('returns the latest version, or the version at a time (KIP-960)', async () => {
    assert.equal(await answered(builder, fill, KeyQuery.withKey('k')), 'v40')
    assert.deepEqual(await answered(builder, fill, VersionedKeyQuery.withKey('k')), v40)
    assert.deepEqual(await answered(builder, fill, VersionedKeyQuery.withKey('k', { asOf: 19 })), v10)
    assert.equal(await answered(builder, fill, VersionedKeyQuery.withKey('k', { asOf: 20 })), null)
    assert.equal(await answered(builder, fill, VersionedKeyQuery.withKey('k', { asOf: 9 })), null)
    assert.equal(await answered(builder, fill, VersionedKeyQuery.withKey('k', { asOf: -1000 })), null)
    assert.deepEqual(await answered(builder, fill, VersionedKeyQuery.withKey('k', { asOf: Number.POSITIVE_INFINITY })), v40)
    assert.equal(await answered(builder, fill, VersionedKeyQuery.withKey('nobody')), null)
  })

  it('returns all versions that were valid in a span of time, newest first or oldest first (KIP-968)', async () => {
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('k')), [v40, v30, v10])
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('k', { resultOrder: 'ASCENDING' })), [v10, v30, v40])
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('k', { fromTime: 19, toTime: 30 })), [v30, v10])
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('k', { fromTime: 20, toTime: 29 })), [])
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('k', { fromTime: 1000 })), [v40])
    assert.deepEqual(await answered(builder, fill, MultiVersionedKeyQuery.withKey('nobody')), [])
  })

  it('is refused for a range', async () => {
    await assert.rejects(answered(builder, fill, RangeQuery.withRange(null, null)), {
      code: 'WAGGLE_QUERY_NOT_SUPPORTED',
      next: 'Query the store with KeyQuery, VersionedKeyQuery or MultiVersionedKeyQuery.',
    })
  })
})
