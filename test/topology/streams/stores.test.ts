import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type ProcessorContext, type StateStore, type StoreBuilder, type StoreSupplier, Stores, Topology, type Windowed } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, text } from '../../support/text-program.ts'

type Context = ProcessorContext<never, never>

/** Runs one act for each record, in a processor that has the store. */
async function inProcessor<S extends StateStore>(
  builder: StoreBuilder<S>,
  ...acts: readonly (readonly [time: number, act: (store: S, context: Context) => void])[]
) {
  let next = 0
  const topology = new Topology().addSource('source', 'in', read).addProcessor(
    'act',
    () => {
      let context: Context | null = null
      return {
        init(given: Context) {
          context = given
        },
        process() {
          if (context !== null) acts[next++]?.[1](context.getStateStore(builder), context)
        },
      }
    },
    ['source'],
    { stores: [builder] },
  )
  await using driver = new TopologyTestDriver(topology)
  const input = driver.createInputTopic('in', text, text)
  for (const [time] of acts) await input.pipeInput('k', 'v', time)
}

function shown(key: unknown): string {
  if (typeof key !== 'object' || key === null) return String(key)
  const { key: inner, window } = key as Windowed<string>
  return `${inner}[${window.start},${window.end}]`
}

const rows = (pairs: Iterable<readonly [unknown, unknown]>) => [...pairs].map(([key, value]) => `${shown(key)}=${value}`).join(' ')

describe('A key-value store', () => {
  const suppliers: { readonly [kind: string]: StoreSupplier<'keyValue'> } = {
    'in RocksDB': Stores.persistentKeyValueStore('st'),
    'in memory': Stores.inMemoryKeyValueStore('st'),
  }
  for (const [kind, supplier] of Object.entries(suppliers)) {
    const builder = Stores.keyValueStoreBuilder(supplier, text, text)
    const fill = (store: ReturnType<(typeof builder)['build']>) => {
      for (const key of ['b', 'a', 'ab', 'c', 'aa', 'é']) store.put(key, key.toUpperCase())
    }
    const look = (store: ReturnType<(typeof builder)['build']>) => {
      assert.equal(rows(store.all()), 'a=A aa=AA ab=AB b=B c=C é=É')
      assert.equal(rows(store.all({ reverse: true })), 'é=É c=C b=B ab=AB aa=AA a=A')
      assert.equal(rows(store.range('aa', 'b')), 'aa=AA ab=AB b=B')
      assert.equal(rows(store.range('aa', 'b', { reverse: true })), 'b=B ab=AB aa=AA')
      assert.equal(rows(store.range('b', null)), 'b=B c=C é=É')
      assert.equal(rows(store.range(null, 'ab')), 'a=A aa=AA ab=AB')
      assert.equal(rows(store.range(null, 'ab', { reverse: true })), 'ab=AB aa=AA a=A')
      assert.equal(rows(store.range(null, null)), 'a=A aa=AA ab=AB b=B c=C é=É')
      assert.equal(rows(store.range('c', 'a')), '')
      assert.equal(rows(store.prefixScan('a', text)), 'a=A aa=AA ab=AB')
      assert.equal(rows(store.prefixScan('é', text)), 'é=É')
    }

    it(`${kind} iterates in the order of the keys’ bytes, with inclusive bounds, before and after a commit`, () =>
      inProcessor(
        builder,
        [
          0,
          (store) => {
            fill(store)
            look(store)
            assert.equal(store.approximateNumEntries, 6)
            assert.equal(store.name, 'st')
            assert.equal(store.persistent, kind === 'in RocksDB')
          },
        ],
        [1, look],
      ))

    it(`${kind} returns the value before a change`, () =>
      inProcessor(builder, [
        0,
        (store) => {
          fill(store)
          assert.equal(store.putIfAbsent('a', 'X'), 'A')
          assert.equal(store.get('a'), 'A')
          assert.equal(store.putIfAbsent('z', 'Z'), null)
          assert.equal(store.get('z'), 'Z')
          assert.equal(store.delete('z'), 'Z')
          assert.equal(store.delete('z'), null)
          assert.equal(store.get('z'), null)
          store.put('a', null)
          assert.equal(store.get('a'), null)
          assert.equal(rows(store.all()), 'aa=AA ab=AB b=B c=C é=É')
        },
      ]))

    it(`${kind} takes many entries at once, or none if one of them is invalid`, () =>
      inProcessor(builder, [
        0,
        (store) => {
          store.put('gone', 'G')
          store.putAll([
            ['b', 'B'],
            ['a', 'A1'],
            ['gone', null],
            ['a', 'A2'],
          ])
          assert.equal(rows(store.all()), 'a=A2 b=B')
          assert.equal(rows(store.reverseAll()), 'b=B a=A2')
          assert.equal(rows(store.reverseRange(null, 'a')), 'a=A2')
          const refused = { code: /^WAGGLE_(NULL_KEY|INVALID_VALUE|UNDEFINED_VALUE)$/ }
          assert.throws(
            () =>
              store.putAll([
                ['c', 'C'],
                [null as never, 'D'],
              ]),
            refused,
          )
          assert.throws(
            () =>
              store.putAll([
                ['c', 'C'],
                ['d', undefined as never],
              ]),
            refused,
          )
          assert.equal(rows(store.all()), 'a=A2 b=B')
        },
      ]))

    it(`${kind} can be changed during an iteration`, () => {
      const change = (store: ReturnType<(typeof builder)['build']>) => {
        const seen: string[] = []
        for (const [key] of store.all()) {
          seen.push(key)
          if (key === 'aa') store.delete('b')
          store.put(key, 'again')
        }
        // An iteration may see the change or not, but gives each key once and in order.
        assert.deepEqual(
          seen.filter((key) => key !== 'b'),
          ['a', 'aa', 'ab', 'c', 'é'],
        )
        assert.equal(rows(store.all()).includes('c=again'), true)
      }
      return inProcessor(
        builder,
        [
          0,
          (store) => {
            fill(store)
            change(store)
          },
        ],
        [1, fill],
        [2, change],
      )
    })
  }

  it('with timestamps keeps them beside its values', () =>
    inProcessor(Stores.timestampedKeyValueStoreBuilder(Stores.inMemoryKeyValueStore('st'), text, text), [
      0,
      (store) => {
        store.put('a', { value: 'A', timestamp: 7 })
        assert.deepEqual(store.get('a'), { value: 'A', timestamp: 7 })
        assert.deepEqual([...store.all()], [['a', { value: 'A', timestamp: 7 }]])
        assert.deepEqual(store.putIfAbsent('a', { value: 'B', timestamp: 8 }), { value: 'A', timestamp: 7 })
        assert.deepEqual(store.delete('a'), { value: 'A', timestamp: 7 })
        assert.equal(store.get('a'), null)
      },
    ]))
})

describe('A window store', () => {
  const options = { retentionMs: 100, windowSizeMs: 10 }
  const suppliers: { readonly [kind: string]: StoreSupplier<'window'> } = {
    'in RocksDB': Stores.persistentWindowStore('st', options),
    'in memory': Stores.inMemoryWindowStore('st', options),
  }
  for (const [kind, supplier] of Object.entries(suppliers)) {
    it(`${kind} finds windows by key and by start, and drops those past its retention`, () => {
      const builder = Stores.windowStoreBuilder(supplier, text, text)
      type Store = ReturnType<(typeof builder)['build']>
      const all = (store: Store) => rows(store.fetchAll(0, 1_000_000)).split(' ').sort().join(' ')
      const later = (time: number, before: string, after: string) =>
        [
          time,
          (store: Store) => {
            assert.equal(all(store), before)
            store.put('a', `A${time}`, time)
            assert.equal(all(store), after)
            for (const start of [time - 100, time - 99]) store.put('late', 'L', start)
            assert.equal(store.fetch('late', time - 100), null)
            assert.equal(store.fetch('late', time - 99), 'L')
          },
        ] as const
      return inProcessor(
        builder,
        [
          0,
          (store) => {
            store.put('a', 'A0', 0)
            for (const [key, value] of [
              ['a', 'A10'],
              ['b', 'B10'],
              ['aa', 'AA10'],
            ] as const)
              store.put(key, value, 10)
            store.put('a', 'A20', 20)
            store.put('a', 'A20b', 20)
            store.put('b', 'B30', 30)
            store.put('b', null, 30)
            assert.equal(store.fetch('a', 10), 'A10')
            assert.equal(store.fetch('a', 11), null)
            assert.equal(rows(store.fetch('a', 5, 20)), '10=A10 20=A20b')
            assert.equal(rows(store.fetch('a', 21, 1000)), '')
            assert.equal(rows(store.fetchAll(0, 10)), 'a[0,10]=A0 a[10,20]=A10 aa[10,20]=AA10 b[10,20]=B10')
          },
        ],
        later(
          105,
          'a[0,10]=A0 a[10,20]=A10 a[20,30]=A20b aa[10,20]=AA10 b[10,20]=B10',
          'a[10,20]=A10 a[105,115]=A105 a[20,30]=A20b aa[10,20]=AA10 b[10,20]=B10',
        ),
        later(120, 'a[10,20]=A10 a[105,115]=A105 a[20,30]=A20b aa[10,20]=AA10 b[10,20]=B10 late[6,16]=L', 'a[105,115]=A105 a[120,130]=A120'),
        later(100_000, 'a[105,115]=A105 a[120,130]=A120 late[21,31]=L', 'a[100000,100010]=A100000'),
      )
    })
  }

  for (const [kind, supplier] of Object.entries(suppliers)) {
    it(`${kind} gives windows of all keys or of a range of keys, in either direction`, () =>
      inProcessor(Stores.windowStoreBuilder(supplier, text, text), [
        0,
        (store) => {
          for (const [key, start] of [
            ['a', 0],
            ['a', 10],
            ['b', 10],
            ['c', 0],
          ] as const)
            store.put(key, `${key.toUpperCase()}${start}`, start)
          assert.equal(rows(store.all()), 'a[0,10]=A0 a[10,20]=A10 b[10,20]=B10 c[0,10]=C0')
          assert.equal(rows(store.backwardAll()), 'c[0,10]=C0 b[10,20]=B10 a[10,20]=A10 a[0,10]=A0')
          assert.equal(rows(store.fetch('a', 'b', 5, 20)), 'a[10,20]=A10 b[10,20]=B10')
          assert.equal(rows(store.fetch(null, 'b', 0, 0)), 'a[0,10]=A0')
          assert.equal(rows(store.fetch('b', null, 0, 20)), 'b[10,20]=B10 c[0,10]=C0')
          assert.equal(rows(store.fetch('c', 'a', 0, 20)), '')
          assert.equal(rows(store.backwardFetch('a', 'b', 0, 20)), 'b[10,20]=B10 a[10,20]=A10 a[0,10]=A0')
          assert.equal(rows(store.backwardFetch('a', 0, 20)), '10=A10 0=A0')
          assert.equal(rows(store.backwardFetchAll(10, 20)), 'b[10,20]=B10 a[10,20]=A10')
        },
      ]))
  }

  it('with timestamps keeps them beside its values', () =>
    inProcessor(Stores.timestampedWindowStoreBuilder(Stores.persistentWindowStore('st', options), text, text), [
      0,
      (store) => {
        store.put('a', { value: 'A', timestamp: 7 }, 0)
        assert.deepEqual(store.fetch('a', 0), { value: 'A', timestamp: 7 })
        assert.deepEqual(
          [...store.all()],
          [
            [
              { key: 'a', window: { start: 0, end: 10 } },
              { value: 'A', timestamp: 7 },
            ],
          ],
        )
      },
    ]))

  it('that retains duplicates keeps all values of one time, and ignores null', () =>
    inProcessor(Stores.windowStoreBuilder(Stores.persistentWindowStore('st', { ...options, retainDuplicates: true }), text, text), [
      0,
      (store) => {
        store.put('a', '1', 10)
        store.put('a', '2', 10)
        store.put('a', null, 10)
        store.put('b', '3', 10)
        store.put('a', '4', 11)
        assert.equal(rows(store.fetch('a', 0, 20)), '10=1 10=2 11=4')
        assert.equal(rows(store.fetchAll(0, 20)), 'a[10,20]=1 a[10,20]=2 a[11,21]=4 b[10,20]=3')
      },
    ]))

  it('is refused with a retention below its window size', () => {
    assert.throws(() => Stores.persistentWindowStore('st', { retentionMs: 9, windowSizeMs: 10 }), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => Stores.inMemoryWindowStore('st', { retentionMs: -1, windowSizeMs: -1 }), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => Stores.persistentSessionStore('st', { retentionMs: -1 }), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => Stores.persistentVersionedKeyValueStore('st', { historyRetentionMs: -1 }), { code: 'WAGGLE_INVALID_WINDOW' })
  })
})

describe('A session store', () => {
  const suppliers: { readonly [kind: string]: StoreSupplier<'session'> } = {
    'in RocksDB': Stores.persistentSessionStore('st', { retentionMs: 100 }),
    'in memory': Stores.inMemorySessionStore('st', { retentionMs: 100 }),
  }
  for (const [kind, supplier] of Object.entries(suppliers)) {
    it(`${kind} finds the sessions that overlap a span of time, and drops those past its retention`, () => {
      const builder = Stores.sessionStoreBuilder(supplier, text, text)
      type Store = ReturnType<(typeof builder)['build']>
      const session = (key: string, start: number, end: number) => ({ key, window: { start, end } })
      const later = (time: number, a: string, b: string) =>
        [
          time,
          (store: Store) => {
            store.put(session('z', time, time), 'Z')
            assert.deepEqual([rows(store.fetch('a')), rows(store.fetch('b'))], [a, b], String(time))
          },
        ] as const
      return inProcessor(
        builder,
        [
          0,
          (store) => {
            store.put(session('a', 0, 5), 'A0-5')
            store.put(session('a', 10, 20), 'A10-20')
            store.put(session('a', 30, 30), 'A30-30')
            store.put(session('b', 0, 9), 'B0-9')
            store.put(session('aa', 1, 2), 'AA')
            assert.equal(rows(store.fetch('a')), 'a[0,5]=A0-5 a[10,20]=A10-20 a[30,30]=A30-30')
            assert.equal(rows(store.findSessions('a', 5, 10)), 'a[0,5]=A0-5 a[10,20]=A10-20')
            assert.equal(rows(store.findSessions('a', 6, 9)), '')
            assert.equal(rows(store.findSessions('a', 21, 40)), 'a[30,30]=A30-30')
            store.put(session('a', 10, 20), null)
            assert.equal(rows(store.fetch('a')), 'a[0,5]=A0-5 a[30,30]=A30-30')
          },
        ],
        later(105, 'a[30,30]=A30-30', 'b[0,9]=B0-9'),
        later(109, 'a[30,30]=A30-30', ''),
        later(129, 'a[30,30]=A30-30', ''),
        later(130, '', ''),
        later(100_000, '', ''),
      )
    })
  }
})

describe('A session store of many keys', () => {
  it('gives sessions of all keys or of a range, in either direction, and one session by its bounds', () =>
    inProcessor(Stores.sessionStoreBuilder(Stores.persistentSessionStore('st', { retentionMs: 100 }), text, text), [
      0,
      (store) => {
        for (const [key, start, end] of [
          ['a', 0, 5],
          ['a', 10, 20],
          ['b', 0, 9],
          ['c', 30, 40],
        ] as const)
          store.put({ key, window: { start, end } }, key.toUpperCase())
        assert.equal(rows(store.fetch('a', 'b')), 'a[0,5]=A a[10,20]=A b[0,9]=B')
        assert.equal(rows(store.fetch('b', null)), 'b[0,9]=B c[30,40]=C')
        assert.equal(rows(store.backwardFetch(null, null)), 'c[30,40]=C b[0,9]=B a[10,20]=A a[0,5]=A')
        assert.equal(rows(store.backwardFetch('a')), 'a[10,20]=A a[0,5]=A')
        assert.equal(rows(store.findSessions('a', 'c', 9, 10)), 'a[10,20]=A b[0,9]=B')
        assert.equal(rows(store.backwardFindSessions('a', 'c', 9, 10)), 'b[0,9]=B a[10,20]=A')
        assert.equal(rows(store.backwardFindSessions('a', 0, 10)), 'a[10,20]=A a[0,5]=A')
        assert.equal(store.fetchSession('a', 10, 20), 'A')
        assert.equal(store.fetchSession('a', 10, 21), null)
      },
    ]))
})

describe('Ranges of keys', () => {
  const [keys, times] = [
    ['a', 'a\0', 'b', 'aa'],
    [0, 10, 150_000],
  ] as const
  const shownRows = (pairs: Iterable<readonly [Windowed<string>, unknown]>) =>
    [...pairs].map(([{ key, window }]) => `${key.replace('\0', '0')}@${window.start}`).join(' ')

  it('in a window store equal those of RocksDB in Kafka Streams 4.3.1', () => {
    const supplier = Stores.persistentWindowStore('st', { retentionMs: 200_000, windowSizeMs: 10 })
    return inProcessor(Stores.windowStoreBuilder(supplier, text, text), [
      0,
      (store) => {
        for (const key of keys) for (const at of times) store.put(key, 'v', at)
        const all = 'a@0 a0@0 a0@10 a@10 aa@0 aa@10 b@0 b@10 a0@150000 a@150000 aa@150000 b@150000'
        assert.equal(shownRows(store.all()), all)
        assert.equal(shownRows(store.backwardAll()), all.split(' ').reverse().join(' '))
        assert.equal(shownRows(store.fetch('a', 'aa', 0, 200_000)), 'a@0 a0@0 a0@10 a@10 aa@0 aa@10 a0@150000 a@150000 aa@150000')
        assert.equal(shownRows(store.fetch(null, 'a', 0, 10)), 'a@0 a@10')
        assert.equal(shownRows(store.backwardFetch('aa', null, 0, 200_000)), 'b@150000 aa@150000 b@10 b@0 aa@10 aa@0')
        assert.equal(shownRows(store.backwardFetchAll(10, 10)), 'b@10 aa@10 a@10 a0@10')
        // Kafka Streams loses a@150000 in this case, because its upper bound is before that row.
        assert.equal(shownRows(store.fetch('a', 'a\0', 5, 200_000)), 'a0@10 a@10 a0@150000 a@150000')
      },
    ])
  })

  it('in a session store equal those of RocksDB in Kafka Streams 4.3.1', () =>
    inProcessor(Stores.sessionStoreBuilder(Stores.persistentSessionStore('st', { retentionMs: 200_000 }), text, text), [
      0,
      (store) => {
        for (const key of keys) for (const start of times) store.put({ key, window: { start, end: start + 5 } }, 'v')
        assert.equal(shownRows(store.fetch('a', 'a\0')), 'a0@0 a0@10 a@0 a@10 a0@150000 a@150000')
        assert.equal(shownRows(store.backwardFetch(null, 'aa')), 'aa@150000 a@150000 a0@150000 aa@10 aa@0 a@10 a@0 a0@10 a0@0')
        assert.equal(shownRows(store.findSessions('a', 'b', 10, 150_000)), 'a0@10 a@10 aa@10 b@10 a0@150000 a@150000 aa@150000 b@150000')
        assert.equal(shownRows(store.backwardFindSessions('a', 'b', 15, 20)), 'b@10 aa@10 a@10 a0@10')
      },
    ]))
})

describe('A versioned store', () => {
  it('deletes a value from a given time on, and still returns the value before that time', () =>
    inProcessor(Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore('st', { historyRetentionMs: 100 }), text, text), [
      0,
      (store) => {
        store.put('k', 'v10', 10)
        store.put('k', 'v30', 30)
        assert.deepEqual(store.delete('k', 20), { value: 'v10', timestamp: 10, validTo: 30 })
        assert.deepEqual(store.get('k', 19), { value: 'v10', timestamp: 10, validTo: 20 })
        assert.equal(store.get('k', 20), null)
        assert.equal(store.delete('k', 5), null)
        assert.deepEqual(store.delete('k', 40), { value: 'v30', timestamp: 30, validTo: null })
        store.put('other', 'v', 1000)
        assert.equal(store.delete('k', 20), null)
      },
    ]))

  it('returns each value with the time from which and the time until which it was valid', () =>
    inProcessor(Stores.versionedKeyValueStoreBuilder(Stores.persistentVersionedKeyValueStore('st', { historyRetentionMs: 100 }), text, text), [
      0,
      (store) => {
        store.put('k', 'v10', 10)
        store.put('k', 'v20', 20)
        store.put('k', null, 30)
        store.put('k', 'v15', 15)
        const at = (asOf: number) => store.get('k', asOf)
        assert.equal(at(5), null)
        assert.deepEqual(at(10), { value: 'v10', timestamp: 10, validTo: 15 })
        assert.deepEqual(at(14), { value: 'v10', timestamp: 10, validTo: 15 })
        assert.deepEqual(at(15), { value: 'v15', timestamp: 15, validTo: 20 })
        assert.deepEqual(at(29), { value: 'v20', timestamp: 20, validTo: 30 })
        assert.equal(at(30), null)
        assert.equal(store.get('k'), null)
        store.put('k', 'v40', 40)
        assert.deepEqual(store.get('k'), { value: 'v40', timestamp: 40, validTo: null })
        store.put('k', 'v200', 200)
        store.put('k', 'too old', 50)
        assert.equal(at(99), null)
        assert.deepEqual(at(150), { value: 'v40', timestamp: 40, validTo: 200 })
        assert.equal(store.get('nobody'), null)
      },
    ]))
})

describe('A null key', () => {
  it('is refused by every store', () =>
    inProcessor(Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('st'), text, text), [
      0,
      (store) => {
        for (const act of [() => store.get(null as never), () => store.put(null as never, 'v'), () => store.delete(null as never)]) {
          assert.throws(act, (error: { code?: string }) => /^WAGGLE_(NULL_KEY|INVALID_VALUE)$/.test(error.code ?? ''))
        }
      },
    ]))
})

describe('A store from a custom builder', () => {
  it('is created for each task, and found by its builder and by its name', async () => {
    class Bag implements StateStore {
      readonly name = 'bag'
      readonly persistent = false
      readonly things: string[] = []
    }
    const builder: StoreBuilder<Bag> = { name: 'bag', build: () => new Bag() }
    await inProcessor(
      builder,
      [0, (store) => store.things.push('one')],
      [
        1,
        (store, context) => {
          assert.deepEqual(store.things, ['one'])
          assert.equal(context.getStateStore<Bag>('bag'), store)
        },
      ],
    )
  })
})
