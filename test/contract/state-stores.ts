import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import type { ChangelogRecord, LogRecord, StateDirectory, StoreBytes, TaskDisk } from '../../processor/ports.ts'
import type { RowChange } from '../../processor/state/changelog.ts'
import { restoredRows } from '../../processor/state/restored-rows.ts'
import { TaskMemory } from '../../processor/state/task-memory.ts'
import { openStore, type TaskStore } from '../../processor/state/task-store.ts'
import { modelledStores, type StoreModel } from '../support/modelled-stores.ts'

export interface StoresUnderTest {
  readonly directory: StateDirectory
  close(): Promise<void>
}

/**
 * The contract of every kind of store on one kind of disk. A plain model gives the expected result and order of all reads. The rows may be in memory,
 * in commits on their way, on the disk, or evicted. The contract also holds after a restart, and after a rebuild from the changelog.
 */
export function stateStoresContract(name: string, open: () => Promise<StoresUnderTest>, { numRuns }: { readonly numRuns: number }): void {
  describe(`Stores on ${name} keep the contract of state stores`, () => {
    let under: StoresUnderTest
    let tasks = 0
    const disk = () => under.directory.open(`0_${tasks++}`)

    before(async () => {
      under = await open()
    })

    after(() => under.close())

    for (const kind of modelledStores) {
      it(`${kind.name}: equals its model, read forward and backward, after each write, commit, restart and rebuild`, () => {
        fc.assert(
          fc.property(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), fc.constantFrom(2, 4, 100), (steps, maxEntries) => {
            const checked = new CheckedStore(kind.make(), disk, maxEntries)
            for (const one of steps) checked.act(one)
          }),
          { numRuns },
        )
      })

      // In a time-ordered store, the rows of a key lie between rows of other keys.
      if (kind.make().spec.timeOrdered) continue
      it(`${kind.name}: reads only the rows that an iteration reaches, and closes an abandoned iterator`, () => {
        const checked = new CheckedStore(kind.make(), disk, 2)
        const manyKeys = Array.from({ length: 300 }, (_, at) => `k${at}`)
        for (const [at, key] of manyKeys.entries()) checked.write({ key, at: 100_000 + at, length: 10, value: 'v' })
        checked.act({ op: 'restart' })
        for (const backward of [false, true]) checked.leaveEarly({ keys: [null, null], times: [0, 200_000], backward }, 3)
      })
    }
  })
}

const key = fc.constantFrom('a', 'a\0', 'a\0\0\0\0\0\0\0\0', 'aa', 'ab', 'b', 'é')
const time = fc.integer({ min: 0, max: 20 }).map((steps) => steps * 15_000)
/** Times for which users may ask. Some of them have no row. */
const asked = fc.oneof(
  { weight: 4, arbitrary: time },
  {
    weight: 1,
    arbitrary: fc.constantFrom(-15_000, -1, 14_999.5, 15_000.5, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  },
)
const read = {
  keys: fc.tuple(fc.option(key), fc.option(key)),
  times: fc.tuple(asked, asked),
  backward: fc.boolean(),
}
const write = { key, at: time, length: fc.constantFrom(0, 15_000, 90_000), value: fc.option(fc.string({ maxLength: 2 }), { freq: 4 }) }
const step = fc.oneof(
  { weight: 10, arbitrary: fc.record({ op: fc.constant('write' as const), ...write }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('read' as const), ...read }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('readMidway' as const), ...read, write: fc.record(write) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('take' as const) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('committed' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rebuild' as const) }) },
)

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never
export interface Write {
  readonly key: string
  readonly at: number
  /** The length of a session. For other kinds of stores, a length above 0 selects another way to write: many keys at once, or a delete. */
  readonly length: number
  readonly value: string | null
}
export type Read = Omit<Extract<Step, { readonly op: 'read' }>, 'op'>

/** A store beside its model, with commits, restarts and a changelog. */
class CheckedStore {
  readonly #model: StoreModel
  readonly #newDisk: () => TaskDisk
  readonly #maxEntries: number
  #disk: TaskDisk
  #watched: WatchedBytes
  #memory = new TaskMemory()
  #opened: TaskStore
  readonly #onTheirWay: (readonly RowChange[])[] = []
  #changelog: ChangelogRecord[] = []

  constructor(model: StoreModel, newDisk: () => TaskDisk, maxEntries: number) {
    this.#model = model
    this.#newDisk = newDisk
    this.#maxEntries = maxEntries
    this.#disk = newDisk()
    this.#watched = new WatchedBytes(this.#disk.store(model.spec.name))
    this.#opened = this.#open()
  }

  act(one: Step): void {
    if (one.op === 'write') this.write(one)
    else if (one.op === 'read') {
      for (const { name, rows, expected } of this.#model.reads(this.#opened.store, one)) assert.deepEqual([...rows()], expected(), name)
    } else if (one.op === 'readMidway') this.#readMidway(one)
    else if (one.op === 'take') this.#take()
    else if (one.op === 'committed') this.#committed()
    else this.#startAnew(one.op === 'rebuild')
    assert.equal(this.#watched.openScans, 0)
  }

  write(write: Write): void {
    this.#model.write(this.#opened.store, write)
  }

  /** Leaves each iteration at its first row. */
  leaveEarly(one: Read, maxRowsRead: number): void {
    for (const { name, rows, expected } of this.#model.reads(this.#opened.store, one)) {
      this.#watched.rowsRead = 0
      for (const row of rows()) {
        assert.deepEqual(row, expected()[0], name)
        break
      }
      assert.equal(this.#watched.rowsRead <= maxRowsRead, true, `${name} read ${this.#watched.rowsRead} rows`)
      assert.equal(this.#watched.openScans, 0, name)
    }
  }

  /** A running iteration does not see changes that come after its first step. */
  #readMidway(one: Extract<Step, { readonly op: 'readMidway' }>): void {
    const begun = this.#model
      .reads(this.#opened.store, one)
      .filter(({ isSnapshot }) => isSnapshot)
      .map(({ name, rows, expected }) => {
        const iterator = rows()[Symbol.iterator]()
        return { name, iterator, first: iterator.next(), expected: expected() }
      })
    this.write(one.write)
    this.#take()
    this.#committed()
    for (const { name, iterator, first, expected } of begun) {
      const rest = first.done ? [] : [first.value, ...{ [Symbol.iterator]: () => iterator }]
      assert.deepEqual(rest, expected, `${name}, and a write after its first step`)
    }
  }

  #take(): void {
    const changes = this.#opened.rows.takeChanges()
    this.#changelog.push(...(this.#opened.logged?.(changes) ?? []))
    this.#onTheirWay.push(changes)
  }

  #committed(): void {
    const changes = this.#onTheirWay.shift()
    if (changes === undefined) return
    this.#disk.write({ changes: [{ store: this.#model.spec.name, entries: changes }], offsets: [] })
    this.#opened.rows.committed()
  }

  #startAnew(isRebuilt: boolean): void {
    this.#take()
    while (this.#onTheirWay.length > 0) this.#committed()
    this.#memory = new TaskMemory(this.#memory.numbers)
    if (isRebuilt) this.#rebuild()
    this.#opened = this.#open()
  }

  /**
   * Restores the store onto an empty disk. The changelog is compacted first, except a changelog of versions, which Kafka keeps as long as the
   * history.
   */
  #rebuild(): void {
    const { spec } = this.#model
    if (spec.kind !== 'versioned')
      this.#changelog = [...new Map(this.#changelog.map((record) => [Buffer.from(record.key).toString('latin1'), record])).values()]
    this.#disk = this.#newDisk()
    const bytes = this.#disk.store(spec.name)
    this.#watched = new WatchedBytes(bytes)
    const rows = restoredRows(spec, bytes, new Map())
    rows.add(this.#changelog.map((record, offset): LogRecord => ({ ...record, offset })))
    this.#disk.write({ changes: [{ store: spec.name, entries: rows.take() }], offsets: [] })
    const floor = rows.takeFloor()
    if (floor !== null) bytes.clearBefore?.(floor)
  }

  #open(): TaskStore {
    return openStore(this.#model.spec, this.#watched, { topic: 't', maxEntries: this.#maxEntries, memory: this.#memory, keepsLog: true })
  }
}

/** Counts the scans that are open, and the rows that scans have given. */
class WatchedBytes implements StoreBytes {
  openScans = 0
  rowsRead = 0
  readonly #bytes: StoreBytes

  constructor(bytes: StoreBytes) {
    this.#bytes = bytes
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#bytes.get(key)
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[] {
    return this.#bytes.getMany(keys)
  }

  *range(from: Uint8Array | null, to: Uint8Array | null, options?: { readonly reverse?: boolean }): ReturnType<StoreBytes['range']> {
    this.openScans++
    try {
      for (const row of this.#bytes.range(from, to, options)) {
        this.rowsRead++
        yield row
      }
    } finally {
      this.openScans--
    }
  }

  clearBefore(key: Uint8Array): void {
    this.#bytes.clearBefore?.(key)
  }
}
