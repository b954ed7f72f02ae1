import { closeSync, fdatasyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { closedLog } from './closed-log.ts'

/** The last durable commit, as the mark file records it. */
export interface Marked {
  /** RocksDB's sequence number after that commit. A database with a lower sequence number has lost writes. */
  readonly sequence: number
  /** The offset after the last durable record of each partition. */
  readonly ends: readonly { readonly topic: number; readonly partition: number; readonly end: number }[]
  readonly segments: readonly { readonly segment: number; readonly bytes: number }[]
  /**
   * The manifest: RocksDB's list of its table files. Null in a mark without this entry. RocksDB opens a truncated list without an error, and then has
   * fewer tables; the entry reveals such a loss.
   */
  readonly manifest: Manifest | null
}

/** A mark that was read from the disk. If a part of the file is lost, the numbers in the other parts still tell what must at least be there. */
export interface MarkOnDisk extends Marked {
  readonly isWhole: boolean
}

/** One of RocksDB's manifest files: its number, its minimum length, and the checksum of its first `bytes` bytes. */
export interface Manifest {
  readonly number: number
  readonly bytes: number
  readonly crc: number
}

/**
 * A small file beside the database that records up to where commits are durable. RocksDB opens a damaged write-ahead log as if the log ended at the
 * damage. So only a file outside the database can reveal the loss.
 *
 * The mark is written after each sync, and is not synced itself. It is never ahead of the durable commits. After a power failure the mark may be
 * behind the commits, which raises no false alarm. A slot has 32 bytes, so no sector boundary cuts a slot: `crc u32 │ kind u8, 3 × 0 │ a u32 │ b u32
 * │ value f64 │ 8 × 0`.
 */
export class CommitMark {
  readonly #file: string
  readonly #slots = new Map<number, number>()
  readonly #free: number[] = []
  #bytes = Buffer.alloc(64 * slotBytes)
  #used = 0
  #dirtyFrom = Number.POSITIVE_INFINITY
  #dirtyTo = 0
  #descriptor: number | null = null

  constructor(file: string) {
    this.#file = file
  }

  /** Reads the mark. Null without a mark; 'damaged' if no slot can be read. Unreadable slots are skipped. */
  read(): MarkOnDisk | 'damaged' | null {
    const bytes = contentsOf(this.#file)
    if (bytes === null) return null
    let sequence: number | null = null
    let readable = 0
    let manifest: Manifest | null = null
    const ends: Marked['ends'][number][] = []
    const segments: Marked['segments'][number][] = []
    for (let at = 0; at + slotBytes <= bytes.length; at += slotBytes) {
      if (bytes.readUInt32LE(at) !== crcOf(bytes, at)) continue
      readable += slotBytes
      const [kind, a, b, value] = [bytes[at + 4], bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12), bytes.readDoubleLE(at + 16)]
      if (kind === kinds.sequence) sequence = value
      else if (kind === kinds.end) ends.push({ topic: a, partition: b, end: value })
      else if (kind === kinds.segment) segments.push({ segment: a, bytes: value })
      else if (kind === kinds.manifest) manifest = { number: a, bytes: value, crc: b }
    }
    return readable === 0 ? 'damaged' : { sequence: sequence ?? 0, ends, segments, manifest, isWhole: readable === bytes.length && sequence !== null }
  }

  /** Starts a new file with the current state. Must be called before the first commit of a process. */
  begin({ sequence, ends, segments, manifest }: Marked): void {
    this.#slots.clear()
    this.#free.length = 0
    this.#used = 0
    this.#set(kinds.sequence, 0, 0, sequence)
    for (const { topic, partition, end } of ends) this.end(topic, partition, end)
    for (const { segment, bytes } of segments) this.segment(segment, bytes)
    if (manifest !== null) this.manifest(manifest)
    const next = `${this.#file}.next`
    writeFileSync(next, this.#bytes.subarray(0, this.#used), { flush: true })
    renameSync(next, this.#file)
    this.#clean()
    if (this.#descriptor !== null) closeSync(this.#descriptor)
    this.#descriptor = openSync(this.#file, 'r+')
  }

  end(topic: number, partition: number, end: number): void {
    this.#set(kinds.end, topic, partition, end)
  }

  manifest({ number, bytes, crc }: Manifest): void {
    this.#fill(this.#slot(kinds.manifest, 0, 0), kinds.manifest, number, crc, bytes)
  }

  segment(segment: number, bytes: number): void {
    this.#set(kinds.segment, segment, 0, bytes)
  }

  /** Must be called before a segment file is deleted. */
  forgetSegment(segment: number): void {
    this.#forget(kinds.segment, segment, 0)
  }

  /** Must be called when a partition is removed from the database. */
  forgetEnd(topic: number, partition: number): void {
    this.#forget(kinds.end, topic, partition)
  }

  #forget(kind: number, a: number, b: number): void {
    const name = nameOf(kind, a, b)
    const slot = this.#slots.get(name)
    if (slot === undefined) return
    this.#slots.delete(name)
    this.#free.push(slot)
    this.#fill(slot, kinds.none, 0, 0, 0)
  }

  /**
   * Records that the database is durable up to this sequence number. The ends and segments that were set before are written too. If this write fails,
   * the mark stays behind.
   */
  write(sequence: number): void {
    this.#set(kinds.sequence, 0, 0, sequence)
    this.flush()
  }

  flush(): void {
    if (this.#descriptor === null || this.#dirtyTo === 0) return
    try {
      this.#writeDirty(this.#descriptor)
    } catch {
      // After a failed write, the next flush writes the same slots again.
    }
  }

  /** Makes everything that was set so far durable. Throws if the write fails, and after `close`. */
  sync(): void {
    if (this.#descriptor === null) throw closedLog()
    if (this.#dirtyTo > 0) this.#writeDirty(this.#descriptor)
    fdatasyncSync(this.#descriptor)
  }

  #writeDirty(descriptor: number): void {
    writeSync(descriptor, this.#bytes, this.#dirtyFrom, this.#dirtyTo - this.#dirtyFrom, this.#dirtyFrom)
    this.#clean()
  }

  close(): void {
    if (this.#descriptor === null) return
    this.flush()
    try {
      fdatasyncSync(this.#descriptor)
    } finally {
      closeSync(this.#descriptor)
      this.#descriptor = null
    }
  }

  #set(kind: number, a: number, b: number, value: number): void {
    this.#fill(this.#slot(kind, a, b), kind, a, b, value)
  }

  #slot(kind: number, a: number, b: number): number {
    const name = nameOf(kind, a, b)
    let slot = this.#slots.get(name)
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#nextSlot()
      this.#slots.set(name, slot)
    }
    return slot
  }

  #nextSlot(): number {
    const slot = this.#used
    this.#used += slotBytes
    if (this.#used > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes], this.#bytes.length * 2)
    return slot
  }

  #fill(slot: number, kind: number, a: number, b: number, value: number): void {
    const bytes = this.#bytes
    bytes[slot + 4] = kind
    bytes.writeUInt32LE(a, slot + 8)
    bytes.writeUInt32LE(b, slot + 12)
    bytes.writeDoubleLE(value, slot + 16)
    bytes.writeUInt32LE(crcOf(bytes, slot), slot)
    if (slot < this.#dirtyFrom) this.#dirtyFrom = slot
    if (slot + slotBytes > this.#dirtyTo) this.#dirtyTo = slot + slotBytes
  }

  #clean(): void {
    this.#dirtyFrom = Number.POSITIVE_INFINITY
    this.#dirtyTo = 0
  }
}

const kinds = { none: 0, sequence: 1, end: 2, segment: 3, manifest: 4 } as const
const slotBytes = 32

function crcOf(bytes: Buffer, slot: number): number {
  return crc32(bytes.subarray(slot + 4, slot + slotBytes))
}

/** Encodes kind, `a` and `b` of a slot as one number: 3, 32 and 16 bits. A topic has at most 1,024 partitions. */
function nameOf(kind: number, a: number, b: number): number {
  return (kind * 2 ** 32 + a) * 2 ** 16 + b
}

function contentsOf(file: string): Buffer | null {
  try {
    return readFileSync(file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
