import type { KeyValue } from '../../topology/record.ts'
import type { Serde, Serializer } from '../../topology/serde.ts'
import type { KeptStore, KeyValueStore, ValueAndTimestamp } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { StoreBytes } from '../ports.ts'
import { type RowChange, ranOut } from './changelog.ts'
import { SortedIds } from './sorted-ids.ts'
import type { TaskMemory } from './task-memory.ts'

/**
 * A task's key-value store: values stay what they are in memory and become bytes in the commit, so what is put and deleted
 * between two commits is never serialised and never touches a disk. Reads go to memory first, then to the last commit's bytes.
 *
 * An entry changed since the last commit, or in a commit on its way, is *held*: memory is then the only right place to read
 * it. Entries not held are a cache, in two generations: what was not touched while one filled up goes.
 */
export class WriteBackStore<K, V> implements KeyValueStore<K, V> {
  readonly name: string
  readonly persistent: boolean
  readonly #disk: StoreBytes
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #isTimestamped: boolean
  #triedType = ''
  readonly #topic: string
  readonly #memory: TaskMemory
  readonly #maxEntries: number
  #turnAt: number
  #young = new Map<string, Entry<V>>()
  #old = new Map<string, Entry<V>>()
  /** Changed since the last commit was closed. */
  #dirty: Entry<V>[] = []
  /** One list a commit on its way, oldest first. */
  readonly #committing: Entry<V>[][] = []
  /** Ids of held entries in their order: there while the store is scanned, since one that is only asked by key needs none. */
  #heldIds: SortedIds | null = null
  #wasScanned = false

  constructor(builder: KeptStore, disk: StoreBytes, options: StoreOptions) {
    this.name = builder.name
    this.persistent = builder.persistent
    this.#disk = disk
    this.#key = builder.key as unknown as Serde<K>
    this.#value = builder.value as unknown as Serde<V>
    this.#isTimestamped = builder.timestamped ?? false
    this.#topic = options.topic
    this.#memory = options.memory
    this.#maxEntries = options.maxEntries
    this.#turnAt = options.maxEntries / 2
  }

  get(key: K): V | null {
    return this.#entry(this.#bytesOf(key)).value
  }

  put(key: K, value: V | null): void {
    this.#set(this.#entryToWrite(this.#bytesOf(key)), value)
  }

  /** Takes away what has run out: no change of what the store says, so its changelog does not hear of it. */
  expire(key: K): void {
    const entry = this.#entryToWrite(this.#bytesOf(key))
    this.#set(entry, null)
    entry.timestamp = ranOut
  }

  putIfAbsent(key: K, value: V): V | null {
    const entry = this.#entry(this.#bytesOf(key))
    const before = entry.value
    if (before === null) this.#set(entry, value)
    return before
  }

  delete(key: K): V | null {
    const entry = this.#entry(this.#bytesOf(key))
    const before = entry.value
    if (before !== null) this.#set(entry, null)
    return before
  }

  range(from: K | null, to: K | null, options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#scan(from === null ? null : this.#bytesOf(from), to === null ? null : after(this.#bytesOf(to)), options.reverse ?? false)
  }

  all(options: { reverse?: boolean } = {}): Iterable<KeyValue<K, V>> {
    return this.#scan(null, null, options.reverse ?? false)
  }

  prefixScan<P>(prefix: P, serializer: Serializer<P>): Iterable<KeyValue<K, V>> {
    const from = serializer.serialize(this.#topic, prefix)
    return this.#scan(from, afterPrefix(from), false)
  }

  /** Rows from `low` up to, not with, `high`: for those whose keys are bytes. */
  between(low: Uint8Array, high: Uint8Array | null, reverse: boolean): IterableIterator<KeyValue<K, V>> {
    return this.#scan(low, high, reverse)
  }

  /** As `between`, but only rows whose keys have this many bytes: a longer key may sort in between. */
  *betweenOfLength(low: Uint8Array, high: Uint8Array, reverse: boolean, length: number): IterableIterator<KeyValue<K, V>> {
    for (const entry of this.#scan(low, high, reverse, length)) yield entry
  }

  get approximateNumEntries(): number {
    return this.#young.size + this.#old.size
  }

  /**
   * Closes the changes since the last call into a commit: what has to be written, serialised now. Call `committed` once when
   * that commit took effect, in the order of the calls.
   */
  takeChanges(): readonly RowChange[] {
    const changes: RowChange[] = []
    const held: Entry<V>[] = []
    for (const entry of this.#dirty) {
      entry.dirty = false
      if (entry.value === null && entry.below === 'absent') {
        if (entry.commits === 0) this.#release(entry)
        continue
      }
      changes.push([keyOf(entry), entry.value === null ? null : this.#value.serialize(this.#topic, entry.value), entry.timestamp])
      // Commits apply in order, or the task is gone: from here on this is what lies below.
      entry.below = entry.value === null ? 'absent' : 'present'
      entry.commits++
      held.push(entry)
    }
    this.#dirty = []
    this.#committing.push(held)
    if (!this.#wasScanned) this.#heldIds = null
    this.#wasScanned = false
    return changes
  }

  committed(): void {
    for (const entry of this.#committing.shift() ?? []) {
      entry.commits--
      if (!isHeld(entry)) this.#release(entry)
    }
  }

  #bytesOf(key: K): Uint8Array {
    return this.#key.serialize(this.#topic, key)
  }

  #entry(key: Uint8Array): Entry<V> {
    const id = idOf(key)
    const there = this.#find(id)
    if (there !== undefined) return there
    const bytes = this.#disk.get(key)
    const entry: Entry<V> = {
      id,
      value: bytes === null ? null : this.#value.deserialize(this.#topic, bytes),
      timestamp: -1,
      below: bytes === null ? 'absent' : 'present',
      dirty: false,
      commits: 0,
    }
    if (this.#maxEntries > 0) this.#remember(entry)
    return entry
  }

  /** For a blind write: no need to look at what is below. */
  #entryToWrite(key: Uint8Array): Entry<V> {
    const id = idOf(key)
    const there = this.#find(id)
    if (there !== undefined) return there
    const entry: Entry<V> = { id, value: null, timestamp: -1, below: 'unknown', dirty: false, commits: 0 }
    this.#remember(entry)
    return entry
  }

  #set(entry: Entry<V>, value: V | null): void {
    // Here it is known whose mistake it is; in the commit, nobody could let it pass.
    if (value === undefined) throw undefinedIn(this.name)
    if (value !== null) this.#tryType(value)
    entry.value = value
    entry.timestamp = this.#memory.now
    if (entry.dirty) return
    if (entry.commits === 0) this.#hold(entry)
    entry.dirty = true
    this.#dirty.push(entry)
  }

  /** The first value of a type is serialised at once, so that one of a wrong type fails in the node that made it. */
  #tryType(value: V): void {
    const type = typeof (this.#isTimestamped ? (value as ValueAndTimestamp<unknown>).value : value)
    if (type === this.#triedType) return
    this.#value.serialize(this.#topic, value)
    this.#triedType = type
  }

  #find(id: string): Entry<V> | undefined {
    const young = this.#young.get(id)
    if (young !== undefined) return young
    const old = this.#old.get(id)
    if (old === undefined) return undefined
    this.#old.delete(id)
    this.#young.set(id, old)
    return old
  }

  #remember(entry: Entry<V>): void {
    if (this.#young.size >= this.#turnAt) this.#turn()
    this.#young.set(entry.id, entry)
  }

  /** Lets go of the older generation, but for what is held. */
  #turn(): void {
    const held = [...this.#old.values()].filter(isHeld)
    this.#old = this.#young
    this.#young = new Map(held.map((entry) => [entry.id, entry]))
    // With much held, turning at the plain bound would copy the same entries over and over.
    this.#turnAt = Math.max(this.#maxEntries / 2, this.#young.size * 2)
  }

  #forget(entry: Entry<V>): void {
    if (this.#young.get(entry.id) === entry) this.#young.delete(entry.id)
    else if (this.#old.get(entry.id) === entry) this.#old.delete(entry.id)
  }

  *#scan(from: Uint8Array | null, to: Uint8Array | null, reverse: boolean, length = 0): IterableIterator<KeyValue<K, V>> {
    const order = reverse ? (a: string, b: string) => compare(b, a) : compare
    const held = this.#heldBetween(from, to, length)
    if (reverse) held.reverse()
    let at = 0
    for (const [key, bytes] of this.#disk.range(from, to, { reverse })) {
      if (length > 0 && key.length !== length) continue
      let shadowed = false
      const id = idOf(key)
      for (let entry = held[at]; entry !== undefined; entry = held[at]) {
        const compared = order(entry.id, id)
        if (compared > 0) break
        at++
        shadowed ||= compared === 0
        if (entry.value !== null) yield this.#pair(keyOf(entry), entry.value)
      }
      if (!shadowed) yield this.#pair(key, this.#value.deserialize(this.#topic, bytes))
    }
    for (; at < held.length; at++) {
      const entry = held[at]
      if (entry !== undefined && entry.value !== null) yield this.#pair(keyOf(entry), entry.value)
    }
  }

  /** Entries that are held, in the order of their keys. */
  #heldBetween(from: Uint8Array | null, to: Uint8Array | null, length: number): Entry<V>[] {
    this.#wasScanned = true
    this.#heldIds ??= new SortedIds(this.#sortedHeldIds())
    const held: Entry<V>[] = []
    for (const id of this.#heldIds.between(from === null ? null : idOf(from), to === null ? null : idOf(to))) {
      if (length > 0 && id.length !== length) continue
      const entry = this.#young.get(id) ?? this.#old.get(id)
      if (entry !== undefined) held.push(entry)
    }
    return held
  }

  #sortedHeldIds(): string[] {
    const held = new Set([this.#dirty, ...this.#committing].flat())
    return [...held].map(({ id }) => id).sort(compare)
  }

  #hold(entry: Entry<V>): void {
    this.#heldIds?.add(entry.id)
  }

  #release(entry: Entry<V>): void {
    this.#heldIds?.delete(entry.id)
    if (entry.value === null) this.#forget(entry)
  }

  #pair(key: Uint8Array, value: V): KeyValue<K, V> {
    return [this.#key.deserialize(this.#topic, key), value]
  }
}

export interface StoreOptions {
  /** Of its changelog: what serdes are told. */
  readonly topic: string
  /** 0 for a store that others write: each read looks at the disk. */
  readonly maxEntries: number
  readonly memory: TaskMemory
  /** Changes are wanted as a changelog has them. */
  readonly keepsLog?: boolean
}

/** Its key is `id` alone: a small Buffer would keep the whole pool alive that it was cut from. */
interface Entry<V> {
  readonly id: string
  value: V | null
  /** Of the record that changed it last. */
  timestamp: number
  /** What the newest commit, done or on its way, has under this key. */
  below: 'unknown' | 'absent' | 'present'
  dirty: boolean
  /** Commits on their way that hold this entry. */
  commits: number
}

function undefinedIn(store: string): WaggleError {
  return new WaggleError('WAGGLE_UNDEFINED_VALUE', {
    message: `The store ${store} is given undefined as a value`,
    next: 'Put a value, or null to delete.',
  })
}

function isHeld<V>(entry: Entry<V>): boolean {
  return entry.dirty || entry.commits > 0
}

function keyOf<V>({ id }: Entry<V>): Uint8Array {
  return Buffer.from(id, 'latin1')
}

/** As the bytes compare, since each code unit is one. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Bytes as a string of code units 0–255: what a Map can look up. */
function idOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}

/** The least key that is greater than `key`. */
function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1)
  next.set(key)
  return next
}

/** The least key that is greater than all keys that start with `prefix`; null where there is none. */
function afterPrefix(prefix: Uint8Array): Uint8Array | null {
  for (let end = prefix.length - 1; end >= 0; end--) {
    const byte = prefix[end]
    if (byte === undefined || byte === 0xff) continue
    // Not `slice`: a Buffer's shares its memory.
    const next = Uint8Array.from(prefix.subarray(0, end + 1))
    next[end] = byte + 1
    return next
  }
  return null
}
