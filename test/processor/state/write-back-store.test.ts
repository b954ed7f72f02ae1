import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { WriteBackStore } from '../../../processor/state/write-back-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { keyValueStore } from '../../../topology/state-store.ts'

const text = Serdes.string()
const key = fc.constantFrom('a', 'aa', 'ab', 'b', 'c', 'ca', 'd', 'dä', 'ä')
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ op: fc.constant('put' as const), key, value: fc.option(fc.string({ maxLength: 3 })) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('get' as const), key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('range' as const), from: fc.option(key), to: fc.option(key), reverse: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('prefix' as const), key }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('take' as const) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('committed' as const) }) },
)

/** Slices of a Buffer share its memory; slices of a Uint8Array do not. */
const asBuffer = { serialize: (_: string, prefix: string) => Buffer.from(prefix) }

it('A store returns the value that was put last, in order, whether it is in memory, in pending commits or on the disk, evicted or not', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(2, 4, 100), (steps, maxEntries) => {
      const disk = new SimulatedDisk().store('task', 'store')
      const store = new WriteBackStore<string, string>(keyValueStore({ name: 'store', key: text, value: text }), disk, {
        topic: 't',
        maxEntries,
        memory: new TaskMemory(),
      })
      const model = new Map<string, string>()
      const onTheirWay: ReturnType<typeof store.takeChanges>[] = []
      for (const one of steps) {
        if (one.op === 'put') {
          store.put(one.key, one.value)
          if (one.value === null) model.delete(one.key)
          else model.set(one.key, one.value)
        } else if (one.op === 'get') assert.equal(store.get(one.key), model.get(one.key) ?? null)
        else if (one.op === 'prefix') {
          const expected = [...model].filter(([id]) => id.startsWith(one.key)).sort(([a], [b]) => (a < b ? -1 : 1))
          assert.deepEqual([...store.prefixScan(one.key, asBuffer)], expected)
        } else if (one.op === 'take') onTheirWay.push(store.takeChanges())
        else if (one.op === 'committed') {
          const changes = onTheirWay.shift()
          if (changes === undefined) continue
          for (const [bytes, value] of changes) disk.change(bytes, value)
          store.committed()
        } else {
          const { from, to, reverse } = one
          const expected = [...model]
            .filter(([id]) => (from === null || id >= from) && (to === null || id <= to))
            .sort(([a], [b]) => (a < b ? -1 : 1))
          assert.deepEqual([...store.range(from, to, { reverse })], reverse ? expected.reverse() : expected)
        }
      }
    }),
    { numRuns: 500 },
  )
})

it('A key-value store’s putIfAbsent returns null for a missing key and the stored value for a present key', () => {
  const store = emptyStore()
  assert.equal(store.putIfAbsent('a', 'x'), null)
  assert.equal(store.putIfAbsent('a', 'x'), 'x')
  assert.equal(store.putIfAbsent('a', 'y'), 'x')
  assert.equal(store.get('a'), 'x')
})

it('An undefined value is refused by put, and the store stays unchanged', () => {
  const store = emptyStore()
  store.put('a', 'x')
  assert.throws(() => store.put('a', undefined as never), { code: 'WAGGLE_UNDEFINED_VALUE', message: /store store/ })
  assert.equal(store.get('a'), 'x')
  assert.equal(store.takeChanges().length, 1)
})

it('Only in an index of due times, a row that is put and deleted between two commits needs no deletion on the disk', () => {
  const disk = new SimulatedDisk().store('task', 'store')
  const options = { topic: 't', maxEntries: 100, memory: new TaskMemory() }
  const builder = { ...keyValueStore({ name: 'store', key: text, value: text }), removedLast: true }
  const store = new WriteBackStore<string, string>(builder, disk, options)
  store.put('brief', '')
  store.put('brief', null)
  store.put('kept', '')
  assert.deepEqual(changesOf(store), [['kept', '']])
  store.put('kept', null)
  // This row may be on the disk, where a process before this one has written it.
  store.put('old', null)
  assert.deepEqual(changesOf(store), [
    ['kept', null],
    ['old', null],
  ])
})

function changesOf(store: WriteBackStore<string, string>): readonly (readonly [string, string | null])[] {
  const changes = store
    .takeChanges()
    .map(([key, value]) => [Buffer.from(key).toString(), value === null ? null : Buffer.from(value).toString()] as const)
  store.committed()
  return changes
}

function emptyStore(): WriteBackStore<string, string> {
  const disk = new SimulatedDisk().store('task', 'store')
  const options = { topic: 't', maxEntries: 100, memory: new TaskMemory() }
  return new WriteBackStore(keyValueStore({ name: 'store', key: text, value: text }), disk, options)
}

it('A value that is refused leaves the row on the disk visible', () => {
  const disk = new SimulatedDisk().store('task', 'store')
  const open = () =>
    new WriteBackStore<string, string>(keyValueStore({ name: 'store', key: text, value: text }), disk, {
      topic: 't',
      maxEntries: 100,
      memory: new TaskMemory(),
    })
  const first = open()
  first.put('a', 'x')
  for (const [bytes, value] of first.takeChanges()) disk.change(bytes, value)
  first.committed()
  for (const wrong of [undefined as never, 5 as never]) {
    const single = open()
    assert.throws(() => single.put('a', wrong))
    assert.equal(single.putIfAbsent('a', 'second'), 'x')
    const several = open()
    assert.throws(() =>
      several.putAll([
        ['b', 'y'],
        ['a', wrong],
      ]),
    )
    assert.deepEqual([several.get('a'), several.get('b'), several.takeChanges()], ['x', null, []])
  }
})

it('The committed size of a store is that of the keys and values of its commits, and of no more rows than asked', () => {
  const disk = new SimulatedDisk().store('task', 'store')
  const options = { topic: 't', maxEntries: 100, memory: new TaskMemory() }
  const store = new WriteBackStore<string, string>(keyValueStore({ name: 'store', key: text, value: text }), disk, options)
  for (const id of ['a', 'bb', 'ccc']) store.put(id, 'four')
  assert.deepEqual(store.committedSize(10), { rows: 0, bytes: 0, isCut: false })
  for (const [bytes, value] of store.takeChanges()) disk.change(bytes, value)
  store.committed()
  assert.deepEqual(store.committedSize(3), { rows: 3, bytes: 1 + 2 + 3 + 3 * 4, isCut: false })
  assert.deepEqual(store.committedSize(2), { rows: 2, bytes: 1 + 2 + 2 * 4, isCut: true })
})
