import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import type { StoreBytes } from '../../../processor/ports.ts'
import { SimulatedDisk } from '../../../processor/simulation/simulated-disk.ts'
import type { SegmentedSessionStore } from '../../../processor/state/segmented-session-store.ts'
import type { SegmentedWindowStore } from '../../../processor/state/segmented-window-store.ts'
import { TaskMemory } from '../../../processor/state/task-memory.ts'
import { openStore, type TaskStore } from '../../../processor/state/task-store.ts'
import { Serdes } from '../../../topology/serdes.ts'
import type { KeptStore, StateStore, WindowStore } from '../../../topology/state-store.ts'
import { Stores } from '../../../topology/streams/stores.ts'
import { propertyRuns } from '../../support/property-runs.ts'

it('A window store keeps a sequence number beside its task’s positions only if it retains duplicates', () => {
  for (const retainDuplicates of [false, true]) {
    const supplier = Stores.persistentWindowStore('windows', { retentionMs: 1000, windowSizeMs: 10, retainDuplicates })
    const memory = new TaskMemory()
    const disk = new SimulatedDisk().store('task', 'windows')
    const { store } = openStore(Stores.windowStoreBuilder(supplier, Serdes.string(), Serdes.string()), disk, { topic: 't', maxEntries: 10, memory })
    const windows = store as WindowStore<string, string>
    windows.put('k', 'v', 5)
    windows.put('k', 'w', 5)
    assert.equal([...windows.fetch('k', 0, 10)].length, retainDuplicates ? 2 : 1)
    assert.deepEqual(
      memory.numbers.map(([name]) => name),
      retainDuplicates ? ['windows.time', 'windows.sequence'] : ['windows.time'],
    )
  }
})

const key = fc.constantFrom('a', 'aa', 'ab', 'b')
const at = fc.integer({ min: 0, max: 20 }).map((steps) => steps * 20_000)
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ op: fc.constant('put' as const), key, at, value: fc.option(fc.string({ maxLength: 3 }), { freq: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('get' as const), key, at }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('fetch' as const), key, from: at, to: at, reverse: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('all' as const), from: at, to: at }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('take' as const) }) },
  { weight: 5, arbitrary: fc.record({ op: fc.constant('committed' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const) }) },
)

for (const kind of ['clears rows before a time at once', 'deletes rows one by one'] as const) {
  for (const timeOrdered of [false, true]) {
    const what = `${timeOrdered ? 'time-ordered ' : ''}windows and sessions on a disk that ${kind}`
    it(`A segmented store returns the value that was put last, in order: ${what}, evicted or not, even after a restart`, () => {
      fc.assert(
        fc.property(fc.array(step, { minLength: 80, maxLength: 200, size: 'max' }), fc.constantFrom(2, 4, 8, 100), (steps, maxEntries) => {
          const both = [new Windows(kind, timeOrdered, maxEntries), new Sessions(kind, timeOrdered, maxEntries)]
          for (const one of steps) for (const checked of both) checked.act(one)
        }),
        { numRuns: propertyRuns(300) },
      )
    })
  }
}

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
type Row = readonly [key: string, at: number, value: string]

/** A store beside its expected content. The sessions of these tests begin and end at the same time. */
abstract class Checked<S extends StateStore> {
  readonly #builder: KeptStore
  readonly #bytes: ReturnType<SimulatedDisk['store']>
  readonly #seen: StoreBytes
  readonly #maxEntries: number
  #memory = new TaskMemory()
  #opened: TaskStore
  readonly #onTheirWay: ReturnType<TaskStore['rows']['takeChanges']>[] = []
  #model: Row[] = []
  #streamTime = -1

  constructor(kind: string, builder: KeptStore, timeOrdered: boolean, maxEntries: number) {
    this.#builder = { ...builder, timeOrdered }
    this.#bytes = new SimulatedDisk().store('task', builder.name)
    const { get, getMany, range } = this.#bytes
    const oneByOne = { get: get.bind(this.#bytes), getMany: getMany.bind(this.#bytes), range: range.bind(this.#bytes) }
    this.#seen = kind === 'deletes rows one by one' ? oneByOne : this.#bytes
    this.#maxEntries = maxEntries
    this.#opened = this.#open()
  }

  abstract put(store: S, key: string, at: number, value: string | null): void
  abstract get(store: S, key: string, at: number): string | null
  abstract fetch(store: S, key: string, from: number, to: number, reverse: boolean): readonly (readonly [at: number, value: string])[]
  abstract all(store: S, from: number, to: number): readonly Row[] | null
  abstract readonly oldest: (streamTime: number) => number

  act(one: Step): void {
    const store = this.#opened.store as S
    if (one.op === 'put') {
      this.put(store, one.key, one.at, one.value)
      this.#streamTime = Math.max(this.#streamTime, one.at)
      if (segmentOf(one.at) < segmentOf(this.#streamTime - retentionMs)) return
      this.#model = this.#model.filter(([key, at]) => key !== one.key || at !== one.at)
      if (one.value !== null) this.#model.push([one.key, one.at, one.value])
    } else if (one.op === 'get') {
      assert.equal(this.get(store, one.key, one.at), this.#expected(one.at, one.at, one.key)[0]?.[2] ?? null)
    } else if (one.op === 'fetch') {
      const expected = this.#expected(one.from, one.to, one.key).map(([, at, value]) => [at, value])
      assert.deepEqual(this.fetch(store, one.key, one.from, one.to, one.reverse), one.reverse ? expected.reverse() : expected)
    } else if (one.op === 'all') {
      const order = (rows: readonly Row[]) => rows.toSorted(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
      const all = this.all(store, one.from, one.to)
      if (all !== null) assert.deepEqual(order(all), order(this.#expected(one.from, one.to, null)))
    } else if (one.op === 'take') this.#onTheirWay.push(this.#opened.rows.takeChanges())
    else if (one.op === 'committed') this.#committed()
    else {
      this.#onTheirWay.push(this.#opened.rows.takeChanges())
      while (this.#onTheirWay.length > 0) this.#committed()
      this.#memory = new TaskMemory(this.#memory.numbers)
      this.#opened = this.#open()
    }
  }

  #committed(): void {
    const changes = this.#onTheirWay.shift()
    if (changes === undefined) return
    for (const [bytes, value] of changes) this.#bytes.change(bytes, value)
    this.#opened.rows.committed()
  }

  #expected(from: number, to: number, key: string | null): readonly Row[] {
    const low = Math.max(from, this.oldest(this.#streamTime))
    return this.#model.filter(([of, at]) => (key === null || of === key) && at >= low && at <= to).sort(([, a], [, b]) => a - b)
  }

  #open(): TaskStore {
    return openStore(this.#builder, this.#seen, { topic: 't', maxEntries: this.#maxEntries, memory: this.#memory })
  }
}

class Windows extends Checked<SegmentedWindowStore<string, string>> {
  readonly oldest: (streamTime: number) => number

  constructor(kind: string, timeOrdered: boolean, maxEntries: number) {
    const supplier = Stores.persistentWindowStore('windows', { retentionMs, windowSizeMs: 10, retainDuplicates: false })
    super(kind, Stores.windowStoreBuilder(supplier, Serdes.string(), Serdes.string()) as unknown as KeptStore, timeOrdered, maxEntries)
    this.oldest = (streamTime) => streamTime - retentionMs + (timeOrdered ? 0 : 1)
  }

  put(store: SegmentedWindowStore<string, string>, key: string, at: number, value: string | null): void {
    store.put(key, value, at)
  }

  get(store: SegmentedWindowStore<string, string>, key: string, at: number): string | null {
    return store.fetch(key, at)
  }

  fetch(store: SegmentedWindowStore<string, string>, key: string, from: number, to: number, reverse: boolean) {
    return [...store.fetchOrdered(key, from, to, reverse)]
  }

  all(store: SegmentedWindowStore<string, string>, from: number, to: number): readonly Row[] {
    return [...store.fetchAll(from, to)].map(([{ key, window }, value]) => [key, window.start, value])
  }
}

class Sessions extends Checked<SegmentedSessionStore<string, string>> {
  readonly oldest = (streamTime: number) => streamTime - retentionMs + 1

  constructor(kind: string, timeOrdered: boolean, maxEntries: number) {
    const supplier = Stores.persistentSessionStore('sessions', { retentionMs })
    super(kind, Stores.sessionStoreBuilder(supplier, Serdes.string(), Serdes.string()) as unknown as KeptStore, timeOrdered, maxEntries)
  }

  put(store: SegmentedSessionStore<string, string>, key: string, at: number, value: string | null): void {
    store.put({ key, window: { start: at, end: at } }, value)
  }

  get(store: SegmentedSessionStore<string, string>, key: string, at: number): string | null {
    for (const [, value] of store.findSessions(key, at, at)) return value
    return null
  }

  fetch(store: SegmentedSessionStore<string, string>, key: string, from: number, to: number, reverse: boolean) {
    const found = [...store.findSessions(key, from, to)].map(([{ window }, value]) => [window.end, value] as const)
    return reverse ? found.reverse() : found
  }

  all(): null {
    return null
  }
}

function segmentOf(at: number): number {
  return Math.floor(at / 60_000)
}

const retentionMs = 60_000
