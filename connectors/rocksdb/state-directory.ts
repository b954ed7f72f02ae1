import {
  type ChangelogOffset,
  partitionName,
  type Random,
  type StateDirectory,
  type StoreBytes,
  type StoreChange,
  type TaskDisk,
  type TopicPartition,
} from '../../processor/ports.ts'
import { doubleBytes } from '../../topology/number-bytes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Rocks, type RocksChange } from './rocks.ts'

export interface StateDirectoryOptions {
  /** The directory for one application. Only one process at a time may open it. */
  readonly directory: string
  readonly random: Random
}

/**
 * The state of all tasks of a process in one RocksDB, by the key's first byte:
 *
 *     I                                          → the process's id
 *     N task 0x00 store                          → number of the store, u32
 *     O task 0x00 topic 0x00 partition u32       → offset f64, the topic's id where it is known
 *     S store u32 │ key                          → value
 *
 * A process has one database for all tasks, not one for each task. So cache, memtables and open files stay bounded for any number of tasks, one lock
 * keeps other processes out, and a task that moves to another thread has nothing to close and reopen.
 */
export async function openStateDirectory({ directory, random }: StateDirectoryOptions): Promise<StateDirectory> {
  const rocks = await Rocks.open(directory, { use: 'state' })
  try {
    return new RocksStateDirectory(rocks, random)
  } catch (error) {
    await rocks.close()
    throw error
  }
}

class RocksStateDirectory implements StateDirectory {
  readonly processId: string
  readonly #rocks: Rocks
  readonly #numbers = new Map<string, number>()
  readonly #offsets = new Map<string, Map<string, ChangelogOffset>>()
  readonly #disks = new Map<string, RocksTaskDisk>()
  #lastNumber = 0

  constructor(rocks: Rocks, random: Random) {
    this.#rocks = rocks
    this.processId = this.#ownId(random)
    for (const [key, value] of rocks.range(Buffer.of(prefix.number), Buffer.of(prefix.number + 1))) {
      const number = Buffer.from(value).readUInt32BE(0)
      this.#numbers.set(textOf(key), number)
      this.#lastNumber = Math.max(this.#lastNumber, number)
    }
    // A crash during a deletion leaves rows under the number of a deleted store. So new numbers must be higher than all numbers in the database.
    for (const [key] of rocks.range(Buffer.of(prefix.state), Buffer.of(prefix.state + 1), { reverse: true })) {
      this.#lastNumber = Math.max(this.#lastNumber, Buffer.from(key).readUInt32BE(1))
      break
    }
    for (const [key, value] of rocks.range(Buffer.of(prefix.offset), Buffer.of(prefix.offset + 1))) {
      const [task = '', topic = ''] = textOf(key.subarray(0, key.length - 5)).split('\0')
      const partition = Buffer.from(key).readUInt32BE(key.length - 4)
      const topicId = Buffer.from(value).toString('utf8', 8)
      this.#remember(task, { topic, partition, offset: Buffer.from(value).readDoubleBE(0), ...(topicId === '' ? {} : { topicId }) })
    }
  }

  get liveBytes(): number {
    return this.#rocks.liveBytes
  }

  open(task: string): TaskDisk {
    this.#disks.get(task)?.letGo()
    const disk = new RocksTaskDisk(task, this.#rocks, {
      numberOf: (store) => this.#numbers.get(`${task}\0${store}`) ?? null,
      offsetOf: (changelog) => this.#offsets.get(task)?.get(partitionName(changelog)) ?? null,
      write: (changes, offsets) => this.#write(task, changes, offsets),
      wipe: (store, changelogs) => this.#wipe(task, [store], changelogs),
    })
    this.#disks.set(task, disk)
    return disk
  }

  copies(): ReadonlyMap<string, readonly ChangelogOffset[]> {
    return new Map([...this.#offsets].filter(([, offsets]) => offsets.size > 0).map(([task, offsets]) => [task, [...offsets.values()]]))
  }

  forget(task: string): void {
    this.#disks.get(task)?.letGo()
    this.#disks.delete(task)
    const stores = [...this.#numbers.keys()].filter((name) => name.startsWith(`${task}\0`)).map((name) => name.slice(task.length + 1))
    this.#wipe(task, stores, [...(this.#offsets.get(task)?.values() ?? [])])
    this.#offsets.delete(task)
  }

  close(): Promise<void> {
    for (const disk of this.#disks.values()) disk.letGo()
    this.#disks.clear()
    return this.#rocks.close()
  }

  #write(task: string, changes: readonly Pick<StoreChange, 'store' | 'entries'>[], offsets: readonly ChangelogOffset[]): void {
    if (offsets.length === 0 && changes.length === 0) return
    const numbers = new Map<string, number>()
    this.#rocks.write(this.#batch(task, changes, offsets, numbers))
    for (const [name, number] of numbers) this.#numbers.set(name, number)
    this.#lastNumber += numbers.size
    for (const one of offsets) this.#remember(task, one)
  }

  /** Yields the changes one by one. The caller must write each change before it takes the next change, because all keys share one buffer. */
  *#batch(
    task: string,
    changes: readonly Pick<StoreChange, 'store' | 'entries'>[],
    offsets: readonly ChangelogOffset[],
    newNumbers: Map<string, number>,
  ): IterableIterator<RocksChange> {
    for (const { store, entries } of changes) {
      const name = `${task}\0${store}`
      let number = this.#numbers.get(name) ?? newNumbers.get(name)
      if (number === undefined) {
        number = this.#lastNumber + newNumbers.size + 1
        newNumbers.set(name, number)
        yield [keyOf(prefix.number, name), uint32(number)]
      }
      const keys = new StateKeys(number)
      for (const [key, value] of entries) yield [keys.of(key), value]
    }
    for (const one of offsets) {
      const { topicId = '' } = { ...this.#offsets.get(task)?.get(partitionName(one)), ...one }
      yield [offsetKey(task, one), Buffer.concat([doubleBytes(one.offset), Buffer.from(topicId)])]
    }
  }

  /** Deletes stores and their offsets. If a store is written again, it gets a new number, so its old rows can never appear. */
  #wipe(task: string, stores: readonly string[], changelogs: readonly TopicPartition[]): void {
    const numbers = stores.flatMap((store) => this.#numbers.get(`${task}\0${store}`) ?? [])
    this.#rocks.write([
      ...stores.map((store): RocksChange => [keyOf(prefix.number, `${task}\0${store}`), null]),
      ...changelogs.map((one): RocksChange => [offsetKey(task, one), null]),
    ])
    for (const store of stores) this.#numbers.delete(`${task}\0${store}`)
    for (const one of changelogs) this.#offsets.get(task)?.delete(partitionName(one))
    for (const number of numbers) this.#rocks.clear(stateKey(number, none), stateKey(number + 1, none))
  }

  #remember(task: string, offset: ChangelogOffset): void {
    const offsets = this.#offsets.get(task) ?? new Map()
    this.#offsets.set(task, offsets)
    const { topic, partition } = offset
    const topicId = offset.topicId ?? offsets.get(partitionName(offset))?.topicId
    offsets.set(partitionName(offset), { topic, partition, offset: offset.offset, ...(topicId === undefined ? {} : { topicId }) })
  }

  #ownId(random: Random): string {
    const there = this.#rocks.get(Buffer.of(prefix.id))
    if (there !== null) return Buffer.from(there).toString()
    const id = Buffer.from(random.bytes(16)).toString('hex')
    this.#rocks.write([[Buffer.of(prefix.id), Buffer.from(id)]])
    return id
  }
}

interface DiskParts {
  numberOf(store: string): number | null
  offsetOf(changelog: TopicPartition): ChangelogOffset | null
  write(changes: readonly Pick<StoreChange, 'store' | 'entries'>[], offsets: readonly ChangelogOffset[]): void
  wipe(store: string, changelogs: readonly TopicPartition[]): void
}

class RocksTaskDisk implements TaskDisk {
  readonly #task: string
  readonly #rocks: Rocks
  readonly #parts: DiskParts
  #isGone = false

  constructor(task: string, rocks: Rocks, parts: DiskParts) {
    this.#task = task
    this.#rocks = rocks
    this.#parts = parts
  }

  letGo(): void {
    this.#isGone = true
  }

  store(name: string): StoreBytes {
    return {
      get: (key) => {
        const number = this.#numberOf(name)
        return number === null ? null : this.#rocks.get(stateKey(number, key))
      },
      getMany: (keys) => {
        const number = this.#numberOf(name)
        return number === null ? keys.map(() => null) : this.#rocks.getMany(keys.map((key) => stateKey(number, key)))
      },
      range: (from, to, options) => {
        const number = this.#numberOf(name)
        return number === null ? [].values() : rowsOf(this.#rocks, number, { from, to, reverse: options?.reverse ?? false })
      },
      clearBefore: (key) => {
        const number = this.#isGone ? null : this.#numberOf(name)
        if (number !== null) this.#rocks.clear(stateKey(number, none), stateKey(number, key))
      },
    }
  }

  offset(changelog: TopicPartition): number | null {
    return this.#parts.offsetOf(changelog)?.offset ?? null
  }

  topicId(changelog: TopicPartition): string | null {
    return this.#parts.offsetOf(changelog)?.topicId ?? null
  }

  write({ changes, offsets }: Parameters<TaskDisk['write']>[0]): void {
    if (!this.#isGone) this.#parts.write(changes, offsets)
  }

  wipe(store: string, changelogs: readonly TopicPartition[]): void {
    if (!this.#isGone) this.#parts.wipe(store, changelogs)
  }

  #numberOf(store: string): number | null {
    if (!this.#isGone) return this.#parts.numberOf(store)
    throw new WaggleError('WAGGLE_CLOSED', {
      message: `The state of task ${this.#task} was given to somebody else of this process`,
      next: 'Nothing: the thread that runs the task now has its state.',
    })
  }
}

function* rowsOf(
  rocks: Rocks,
  store: number,
  { from, to, reverse }: { readonly from: Uint8Array | null; readonly to: Uint8Array | null; readonly reverse: boolean },
): IterableIterator<readonly [Uint8Array, Uint8Array]> {
  const end = to === null ? stateKey(store + 1, none) : stateKey(store, to)
  for (const [key, value] of rocks.range(stateKey(store, from ?? none), end, { reverse })) yield [key.subarray(stateKeyBytes), value]
}

const prefix = { id: 0x49, number: 0x4e, offset: 0x4f, state: 0x53 } as const
const none = new Uint8Array(0)
const stateKeyBytes = 5

/** Builds the keys of one store. All keys share one buffer: a new key overwrites the last key. */
class StateKeys {
  #bytes: Buffer
  #views: (Buffer | undefined)[] = []

  constructor(store: number) {
    this.#bytes = stateKey(store, new Uint8Array(256))
  }

  of(key: Uint8Array): Buffer {
    const length = stateKeyBytes + key.length
    if (length > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(0, stateKeyBytes)], length * 2)
      this.#views = []
    }
    this.#bytes.set(key, stateKeyBytes)
    const view = this.#views[length] ?? this.#bytes.subarray(0, length)
    this.#views[length] = view
    return view
  }
}

function stateKey(store: number, key: Uint8Array): Buffer {
  const full = Buffer.allocUnsafe(stateKeyBytes + key.length)
  full[0] = prefix.state
  full.writeUInt32BE(store, 1)
  full.set(key, stateKeyBytes)
  return full
}

function offsetKey(task: string, { topic, partition }: TopicPartition): Buffer {
  return Buffer.concat([keyOf(prefix.offset, `${task}\0${topic}\0`), uint32(partition)])
}

function keyOf(first: number, name: string): Buffer {
  return Buffer.concat([Buffer.of(first), Buffer.from(name)])
}

function textOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset + 1, key.byteLength - 1).toString()
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value)
  return bytes
}
