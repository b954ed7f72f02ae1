import { keyOrder } from './key-order.ts'

/** The parts of a record that make a row. The bytes are valid until the next record is taken. */
export interface LastRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly timestamp: number
}

/**
 * Keeps the last record of each key, because only that record makes a row. A changelog repeats its keys until it is compacted, and comparing keys
 * costs a tenth of writing a row. All records are in one buffer. An object for each record would cost more garbage collection than this class saves.
 */
export class LastOfEachKey {
  #bytes = Buffer.allocUnsafe(minBytes)
  #used = 0
  #size = 0
  /** Five numbers for each record: key offset, key length, value offset, value length (-1: null), and the room for the value. */
  #extents = new Int32Array(minKeys * fields)
  #timestamps = new Float64Array(minKeys)
  /** A hash table with linear probing. An entry is a record's number plus one; 0 is empty. */
  #slots = new Int32Array(minKeys * 2)

  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#used
  }

  add(key: Uint8Array, value: Uint8Array | null, timestamp: number): void {
    const slot = this.#slotOf(key)
    let number = (this.#slots[slot] ?? 0) - 1
    if (number < 0) {
      number = this.#size++
      this.#slots[slot] = number + 1
      this.#extents.set([this.#append(key), key.length, 0, -1, 0], number * fields)
      if (this.#size === this.#timestamps.length) this.#grow()
    }
    this.#timestamps[number] = timestamp
    this.#setValue(number * fields, value)
  }

  /** Returns the records, roughly in the order of their keys, and empties the buffer. */
  *take(): IterableIterator<LastRecord> {
    const [extents, bytes] = [this.#extents, this.#bytes]
    const byteAt = (number: number, at: number) => {
      const length = extents[number * fields + 1] ?? 0
      return at < length ? bytes[(extents[number * fields] ?? 0) + at] : undefined
    }
    for (const number of keyOrder(this.#size, byteAt)) {
      const at = number * fields
      const length = extents[at + 3] ?? -1
      const key = this.#cut(extents[at] ?? 0, extents[at + 1] ?? 0)
      yield { key, value: length < 0 ? null : this.#cut(extents[at + 2] ?? 0, length), timestamp: this.#timestamps[number] ?? 0 }
    }
    this.#slots.fill(0)
    this.#size = 0
    this.#used = 0
    if (this.#bytes.length > maxKeptBytes) this.#bytes = Buffer.allocUnsafe(minBytes)
  }

  #setValue(at: number, value: Uint8Array | null): void {
    const extents = this.#extents
    extents[at + 3] = value === null ? -1 : value.length
    if (value === null) return
    if (value.length <= (extents[at + 4] ?? 0)) {
      this.#write(value, extents[at + 2] ?? 0)
      return
    }
    extents[at + 2] = this.#append(value)
    extents[at + 4] = value.length
  }

  #append(bytes: Uint8Array): number {
    const at = this.#used
    this.#used += bytes.length
    if (this.#used > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes.subarray(0, at)], this.#used * 2)
    this.#write(bytes, at)
    return at
  }

  /** Copies short arrays in a loop: a call of `set` costs more than a few bytes do. */
  #write(from: Uint8Array, at: number): void {
    const bytes = this.#bytes
    if (from.length > fewBytes) bytes.set(from, at)
    else for (let index = 0; index < from.length; index++) bytes[at + index] = from[index] ?? 0
  }

  #cut(from: number, length: number): Uint8Array {
    return this.#bytes.subarray(from, from + length)
  }

  /** The slot of the key, or the empty slot for it. */
  #slotOf(key: Uint8Array): number {
    const mask = this.#slots.length - 1
    let slot = hashOf(key) & mask
    for (let number = this.#slots[slot]; number; number = this.#slots[slot]) {
      if (this.#isAt(number - 1, key)) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  /** Compares from the end, because keys share prefixes more often than suffixes. */
  #isAt(number: number, key: Uint8Array): boolean {
    const bytes = this.#bytes
    const from = this.#extents[number * fields] ?? 0
    if (this.#extents[number * fields + 1] !== key.length) return false
    for (let at = key.length - 1; at >= 0; at--) if (bytes[from + at] !== key[at]) return false
    return true
  }

  #grow(): void {
    const [extents, timestamps] = [this.#extents, this.#timestamps]
    this.#extents = new Int32Array(extents.length * 2)
    this.#extents.set(extents)
    this.#timestamps = new Float64Array(timestamps.length * 2)
    this.#timestamps.set(timestamps)
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let number = 0; number < this.#size; number++) {
      const from = extents[number * fields] ?? 0
      this.#slots[this.#slotOf(this.#cut(from, extents[number * fields + 1] ?? 0))] = number + 1
    }
  }
}

/** FNV-1a, with the high bits mixed into the low ones that the mask keeps. */
function hashOf(key: Uint8Array): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ (key[at] ?? 0), 0x01000193)
  return hash ^ (hash >>> 15)
}

const fields = 5
const fewBytes = 32
const minKeys = 1024
const minBytes = 64 * 1024
const maxKeptBytes = 32 * 1024 * 1024
