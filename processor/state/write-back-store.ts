import type { KeyValue } from '../../topology/record.ts'
import type { Serde, Serializer } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'
import type { KeptStore, KeyValueStore, ValueAndTimestamp } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { StoreBytes } from '../ports.ts'
import { expiredMark, type RowChange } from './changelog.ts'
import { EntryCache } from './entry-cache.ts'
import { mergedRows } from './merged-rows.ts'
import { PrefixIndex } from './prefix-index.ts'
import { idOf, idOfLong, keyOf, type StoreEntry, type StoreRow } from './store-entry.ts'
import type { TaskMemory } from './task-memory.ts'
import { UncommittedEntries } from './uncommitted-entries.ts'

/**
 * A task's key-value store. Values are objects in memory. They become bytes in the commit, so a value that is put and deleted between two commits is
 * never serialised. Reads go to memory first, then to the bytes of the last commit. Uncommitted entries must stay in memory (`UncommittedEntries`). The
 * other entries in memory are a cache.
 *
 * All rows from a boundary on are in memory too. At first, the boundary is the key after the last key on the disk. Eviction from the cache moves the
 * boundary up. If keys begin with a time, nearly all reads are above the boundary, and need no disk.
 */
export class WriteBackStore<K, V> implements KeyValueStore<K, V> {
  readonly name: string
  readonly persistent: boolean
  readonly #disk: StoreBytes
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #isTimestamped: boolean
  readonly #isText: boolean
  /**
   * True for an index of due times: a row of an earlier run that stays on the disk does no harm. So a row that is put and deleted between two commits
   * needs no deletion on the disk.
   */
  readonly #mayKeepOldRows: boolean
  #triedType = ''
  readonly #topic: string
  readonly #memory: TaskMemory
  readonly #maxEntries: number
  readonly #cache: EntryCache<V>
  /** All rows from this key on are in memory; null until the first read. */
  #completeFrom: string | null
  /** The index of rows by prefix. The first read by prefix creates it. */
  #byPrefix: PrefixIndex<V> | null = null
  readonly #uncommitted: UncommittedEntries<V>
  #clearedTo = ''

  constructor(builder: KeptStore, disk: StoreBytes, options: StoreOptions) {
    this.name = builder.name
    this.persistent = builder.persistent
    this.#disk = disk
    this.#key = builder.key as unknown as Serde<K>
    this.#value = builder.value as unknown as Serde<V>
    this.#isTimestamped = builder.timestamped ?? false
    this.#isText = this.#key === (Serdes.string() as Serde<unknown>)
    this.#mayKeepOldRows = builder.removedLast ?? false
    this.#topic = options.topic
    this.#memory = options.memory
    this.#maxEntries = options.maxEntries
    this.#completeFrom = options.maxEntries > 0 ? null : pastAll
    this.#cache = new EntryCache(options.maxEntries, (gone) => this.#letGo(gone))
    this.#uncommitted = new UncommittedEntries((entry) => {
      if (entry.value === null) this.#forget(entry)
    })
  }

  get(key: K): V | null {
    return this.#entry(key).value
  }

  put(key: K, value: V | null): void {
    // The value is checked first. An entry that is remembered without its value would hide the row on the disk.
    this.#check(value)
    this.#setChecked(this.#entryToWrite(key, value), value)
  }

  putAll(entries: Iterable<KeyValue<K, V | null>>): void {
    const rows = Array.from(entries, ([key, value]) => {
      // An invalid key or value throws here, before anything is put.
      this.#bytesOf(key)
      this.#check(value)
      return [key, value] as const
    })
    for (const [key, value] of rows) this.put(key, value)
  }

  /** Puts a row whose key was never put before. */
  add(key: K, value: V): void {
    const entry: StoreEntry<V> = { id: this.#kept(this.#idOf(key)), value: null, timestamp: -1, below: 'unknown', dirty: false, commits: 0 }
    // This line comes first, because it throws if the value is invalid. Then the entry is not remembered.
    this.#set(entry, value)
    this.#remember(entry)
  }

  /** Deletes an expired row. Readers see no change, so the changelog gets no record. */
  expire(key: K): void {
    const entry = this.#entryToWrite(key, null)
    this.#set(entry, null)
    entry.timestamp = expiredMark
  }

  /** Expires all rows before this key for good. No row before this key is read or put again. */
  expireBefore(key: K): void {
    if (this.#disk.clearBefore !== undefined) this.#cache.floor = idOf(this.#bytesOf(key))
    else for (const [row] of this.range(null, key)) this.expire(row)
  }

  putIfAbsent(key: K, value: V): V | null {
    const entry = this.#entry(key)
    const before = entry.value
    if (before === null) this.#set(entry, value)
    return before
  }

  delete(key: K): V | null {
    const entry = this.#entry(key)
    const before = entry.value
    if (before !== null) this.#set(entry, null)
    return before
  }

  range(from: K | null, to: K | null, options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#scan(
      from === null ? null : this.#bytesOf(from),
      to === null ? null : bytesOf(after(idOf(this.#bytesOf(to)))),
      options.reverse ?? false,
    )
  }

  reverseRange(from: K | null, to: K | null): Iterable<KeyValue<K, V>> {
    return this.range(from, to, { reverse: true })
  }

  all(options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#scan(null, null, options.reverse ?? false)
  }

  reverseAll(): Iterable<KeyValue<K, V>> {
    return this.all({ reverse: true })
  }

  prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>> {
    const from = serializer.serialize(this.#topic, prefix)
    return this.#scan(from, afterPrefix(from), false)
  }

  /** Rows from `low` (inclusive) to `high` (exclusive), for stores whose keys are bytes. */
  between(low: Uint8Array, high: Uint8Array | null, reverse: boolean): IterableIterator<KeyValue<K, V>> {
    return this.#scan(low, high, reverse)
  }

  /** Rows with keys `prefix │ i64 │ more` whose number is between `from` and `to`. `tailLength`: the number of bytes after the prefix. */
  ofPrefix(prefix: string, range: PrefixRange): Iterable<StoreRow<V>> {
    const { from, to, tailLength, reverse } = range
    this.#byPrefix ??= new PrefixIndex(tailLength, this.#cache.all())
    const inMemory = this.#byPrefix.between(prefix, from, to)
    if (reverse) inMemory.reverse()
    const low = prefix + idOfLong(from)
    if (this.#isInMemory(low)) return inMemory
    return this.#merged(inMemory, { from: low, to: prefix + idOfLong(to + 1), reverse, length: prefix.length + tailLength })
  }

  get approximateNumEntries(): number {
    return this.#cache.size
  }

  /** The bytes of keys and values as of the last commit, of at most `mostRows` rows. `isCut`: there are more rows. */
  committedSize(mostRows: number): CommittedSize {
    let [rows, bytes] = [0, 0]
    for (const [key, value] of this.#disk.range(null, null)) {
      if (rows === mostRows) return { rows, bytes, isCut: true }
      rows++
      bytes += key.length + value.length
    }
    return { rows, bytes, isCut: false }
  }

  /**
   * Seals the changes since the last call as one commit, and serialises them. For each call of `takeChanges`, `committed` must be called once when
   * the commit has succeeded, in the same order.
   */
  takeChanges(): readonly RowChange[] {
    return this.#uncommitted
      .take(this.#cache.floor)
      .map((entry) => [keyOf(entry), entry.value === null ? null : this.#value.serialize(this.#topic, entry.value), entry.timestamp])
  }

  committed(): void {
    const floor = this.#uncommitted.committed()
    if (floor <= this.#clearedTo) return
    this.#clearedTo = floor
    // The disk is cleared only after the commit. If the commit had failed, the rows would be read again.
    this.#disk.clearBefore?.(Buffer.from(floor, 'latin1'))
  }

  #bytesOf(key: K): Uint8Array {
    return this.#key.serialize(this.#topic, key)
  }

  #entry(key: K): StoreEntry<V> {
    const id = this.#idOf(key)
    const there = this.#cache.find(id)
    if (there !== undefined) return there
    const bytes = this.#isInMemory(id) ? null : this.#disk.get(Buffer.from(id, 'latin1'))
    const entry: StoreEntry<V> = {
      id: this.#kept(id),
      value: bytes === null ? null : this.#value.deserialize(this.#topic, bytes),
      timestamp: -1,
      below: bytes === null ? 'absent' : 'present',
      dirty: false,
      commits: 0,
    }
    if (this.#maxEntries > 0) this.#remember(entry)
    return entry
  }

  /** The entry for a write. The write needs no read of the disk. */
  #entryToWrite(key: K, value: V | null): StoreEntry<V> {
    const id = this.#idOf(key)
    const there = this.#cache.find(id)
    if (there !== undefined) return there
    const below = value !== null && this.#mayKeepOldRows ? 'absent' : 'unknown'
    const entry: StoreEntry<V> = { id: this.#kept(id), value: null, timestamp: -1, below, dirty: false, commits: 0 }
    this.#remember(entry)
    return entry
  }

  /** The id of a key. An ASCII text under the serde of texts is its own id, so it is looked up without being serialised. */
  #idOf(key: K): string {
    return this.#isText && typeof key === 'string' && ascii.test(key) ? key : idOf(this.#bytesOf(key))
  }

  /** The id for a new entry. A text gets a copy, because a part of a text would keep the whole text in memory. */
  #kept(id: string): string {
    return this.#isText ? idOf(Buffer.from(id, 'latin1')) : id
  }

  /** True if this row and all later rows are in memory, as far as they exist. */
  #isInMemory(id: string): boolean {
    this.#completeFrom ??= this.#pastLastOnDisk()
    return id >= this.#completeFrom
  }

  #pastLastOnDisk(): string {
    for (const [key] of this.#disk.range(null, null, { reverse: true })) return after(idOf(key))
    return ''
  }

  #set(entry: StoreEntry<V>, value: V | null): void {
    this.#check(value)
    this.#setChecked(entry, value)
  }

  /** Throws if the value is invalid, because the failing node is known here. In the commit, no handler could skip the record. */
  #check(value: V | null): void {
    if (value === undefined) throw undefinedIn(this.name)
    if (value !== null) this.#tryType(value)
  }

  #setChecked(entry: StoreEntry<V>, value: V | null): void {
    entry.value = value
    entry.timestamp = this.#memory.now
    this.#uncommitted.add(entry)
  }

  /**
   * Serialises a value here if its type differs from the type of the value before it. A value of a wrong type then fails in the node that made it, and
   * values of one type in a row are serialised only by the commit.
   */
  #tryType(value: V): void {
    const type = typeof (this.#isTimestamped ? (value as ValueAndTimestamp<unknown>).value : value)
    if (type === this.#triedType) return
    this.#value.serialize(this.#topic, value)
    this.#triedType = type
  }

  #remember(entry: StoreEntry<V>): void {
    this.#cache.add(entry)
    this.#byPrefix?.add(entry)
  }

  #forget(entry: StoreEntry<V>): void {
    this.#cache.delete(entry)
    this.#byPrefix?.delete(entry)
  }

  #letGo(gone: readonly StoreEntry<V>[]): void {
    this.#byPrefix?.deleteAll(gone)
    const { floor } = this.#cache
    let last = this.#completeFrom ?? this.#pastLastOnDisk()
    for (const { id, value } of gone) if (value !== null && id >= floor && id >= last) last = after(id)
    this.#completeFrom = last
    this.#uncommitted.forget(
      gone.filter(({ id }) => id < floor),
      floor,
    )
  }

  *#scan(from: Uint8Array | null, to: Uint8Array | null, reverse: boolean): IterableIterator<KeyValue<K, V>> {
    const range = { from: from === null ? null : idOf(from), to: to === null ? null : idOf(to), reverse, length: 0 }
    const uncommitted = this.#uncommittedBetween(range.from, range.to)
    if (reverse) uncommitted.reverse()
    for (const row of this.#merged(uncommitted, range)) if (row.value !== null) yield this.#pair(keyOf(row), row.value)
  }

  /** Merges rows in memory with rows on the disk, both as of the first step. */
  #merged(inMemory: readonly StoreRow<V>[], { from, to, reverse, length }: DiskRange): Iterable<StoreRow<V>> {
    const onDisk = this.#disk.range(bytesOf(from), bytesOf(to), { reverse })
    return mergedRows(inMemory, onDisk, { reverse, length, valueOf: (bytes) => this.#value.deserialize(this.#topic, bytes) })
  }

  /** Uncommitted entries, as they are now, in the order of their keys. */
  #uncommittedBetween(from: string | null, to: string | null): StoreRow<V>[] {
    return this.#uncommitted.idsBetween(from, to).flatMap((id) => {
      const entry = this.#cache.peek(id)
      return entry === undefined ? [] : { id, value: entry.value }
    })
  }

  #pair(key: Uint8Array, value: V): KeyValue<K, V> {
    return [this.#key.deserialize(this.#topic, key), value]
  }
}

export interface CommittedSize {
  readonly rows: number
  readonly bytes: number
  readonly isCut: boolean
}

export interface StoreOptions {
  /** The name of the changelog topic. Serdes receive this name. */
  readonly topic: string
  /** The most entries in memory. 0 for a store that another thread writes: each read then goes to the disk. */
  readonly maxEntries: number
  readonly memory: TaskMemory
  /** True if changes are needed as changelog records. */
  readonly keepsLog?: boolean
  /** Called for each put of a window, a session or a version that the store refuses because its time is past the retention. */
  readonly onExpired?: () => void
}

interface PrefixRange {
  readonly from: number
  readonly to: number
  readonly tailLength: number
  readonly reverse: boolean
}

interface DiskRange {
  readonly from: string | null
  readonly to: string | null
  readonly reverse: boolean
  /** The length of the wanted keys; 0 for all lengths. Longer keys may sort between keys of this length. */
  readonly length: number
}

function undefinedIn(store: string): WaggleError {
  return new WaggleError('WAGGLE_UNDEFINED_VALUE', {
    message: `The store ${store} is given undefined as a value`,
    next: 'Put a value, or null to delete.',
  })
}

function bytesOf(id: string | null): Uint8Array | null {
  return id === null ? null : Buffer.from(id, 'latin1')
}

/** The least id that is greater than this id. */
function after(id: string): string {
  return `${id}\0`
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: All 128 characters of ASCII have one byte in UTF-8.
const ascii = /^[\x00-\x7f]*$/

const pastAll = '\uffff'

/** The least key that is greater than all keys that start with `prefix`; null if there is none. */
function afterPrefix(prefix: Uint8Array): Uint8Array | null {
  for (let end = prefix.length - 1; end >= 0; end--) {
    const byte = prefix[end]
    if (byte === undefined || byte === 0xff) continue
    // The copy is needed, because `slice` of a Buffer shares its memory.
    const next = Uint8Array.from(prefix.subarray(0, end + 1))
    next[end] = byte + 1
    return next
  }
  return null
}
