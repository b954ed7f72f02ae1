import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { DamagedValue } from '../../../processor/ports.ts'
import { Unavailable, WaggleError } from '../../../topology/waggle-error.ts'
import { damageNext } from '../../rocksdb/rocks.ts'
import { makeDirectory } from '../../system/file-error.ts'
import { SegmentFile } from './segment-file.ts'

/** The location of a payload. */
export interface SegmentRef {
  readonly segment: number
  readonly position: number
  readonly length: number
  readonly crc: number
}

/**
 * Append-only files for large payloads. RocksDB's compactions do not copy the payloads in them. A payload is durable before the commit that names it.
 * If the same buffer is appended twice, it is stored once.
 */
export class Segments {
  readonly #directory: string
  readonly #known = new WeakMap<Uint8Array, SegmentRef>()
  readonly #lost = new WeakSet<SegmentRef>()
  readonly #retired = new Set<number>()
  #number: number
  #end = 0
  #file: SegmentFile | null = null
  /** Files with writes that are not synced. */
  #dirty = new Set<SegmentFile>()
  readonly #closing = new Set<Promise<unknown>>()
  /** The length of each file with writes that are not synced, by the file's number. */
  #appended = new Map<number, number>()
  #failed: unknown = null

  constructor(directory: string) {
    this.#directory = directory
    makeDirectory(directory)
    this.#number = Math.max(0, ...this.#numbers()) + 1
  }

  /** Starts to write a payload, and returns its location. `sync` waits for the write. */
  append(bytes: Uint8Array): SegmentRef {
    const known = this.#known.get(bytes)
    if (known !== undefined && !this.#retired.has(known.segment)) return known
    if (this.#end > segmentBytes) this.#roll()
    const ref = { segment: this.#number, position: this.#end, length: bytes.length, crc: crc32(bytes) }
    this.#end += bytes.length
    this.#appended.set(this.#number, this.#end)
    this.#file ??= new SegmentFile(this.#path(this.#number))
    const write = this.#file.write(bytes, ref.position)
    // `sync` reports the failure. This handler keeps the rejection from counting as unhandled.
    write.catch((error: unknown) => {
      this.#failed ??= error
      this.#lost.add(ref)
      this.#known.delete(bytes)
    })
    this.#dirty.add(this.#file)
    this.#known.set(bytes, ref)
    return ref
  }

  /** False if the write of the payload failed, or if its file is about to be deleted. In both cases the payload must be appended again. */
  has(ref: SegmentRef): boolean {
    return !this.#lost.has(ref) && !this.#retired.has(ref.segment)
  }

  /** Makes all payloads up to now durable. Returns the durable length of each file, by number. After a failure the next payload starts a new file. */
  async sync(): Promise<ReadonlyMap<number, number>> {
    const appended = this.#appended
    if (this.#dirty.size === 0) return appended
    const files = [...this.#dirty]
    this.#dirty = new Set()
    this.#appended = new Map()
    const synced = await Promise.allSettled(files.map((file) => file.sync()))
    const refused = synced.find((result) => result.status === 'rejected')
    const failed: unknown = this.#failed ?? refused?.reason ?? null
    if (failed !== null) {
      this.#failed = null
      this.#roll()
      throw failed
    }
    return appended
  }

  /** The file that the next payload goes to, and its length. */
  get current(): { readonly segment: number; readonly bytes: number } {
    return { segment: this.#number, bytes: this.#end }
  }

  /** The length of each file, by number. */
  sizes(): ReadonlyMap<number, number> {
    return new Map(this.#numbers().map((number) => [number, statSync(this.#path(number)).size]))
  }

  /** Reads a payload. A damaged one becomes a `DamagedValue`. Throws `Unavailable` if the file cannot be read at the moment. */
  payload(ref: SegmentRef): Uint8Array | DamagedValue {
    try {
      return this.#read(ref)
    } catch (thrown) {
      if (thrown instanceof WaggleError && thrown.code === 'WAGGLE_LOG_CORRUPT') return new DamagedValue(thrown)
      throw thrown
    }
  }

  #read({ segment, position, length, crc }: SegmentRef): Uint8Array {
    const bytes = Buffer.allocUnsafe(length)
    const path = this.#path(segment)
    let got = 0
    try {
      const file = openSync(path, 'r')
      try {
        got = readSync(file, bytes, 0, length, position)
      } finally {
        closeSync(file)
      }
    } catch (cause) {
      throw readError(path, cause)
    }
    if (got !== length || crc32(bytes) !== crc) throw corrupt(`${path} does not hold what the log wrote at ${position}`)
    return bytes
  }

  /** Marks a file for deletion. If a payload in it is appended again, it is written to another file. */
  retire(segment: number): void {
    this.#retired.add(segment)
  }

  /** Deletes a file that no kept record names. */
  delete(segment: number): void {
    rmSync(this.#path(segment), { force: true })
  }

  async close(): Promise<void> {
    this.#roll()
    await Promise.all(this.#closing)
  }

  /** Starts a new file for the next payload, and closes the old file. `sync` waits for the close if the old file has unsynced writes. */
  #roll(): void {
    const old = this.#file
    if (old === null) return
    this.#number++
    this.#end = 0
    this.#file = null
    const closing = old.close().catch((error: unknown) => {
      this.#failed ??= error
    })
    this.#closing.add(closing)
    void closing.then(() => this.#closing.delete(closing))
  }

  #numbers(): number[] {
    return readdirSync(this.#directory).flatMap((name) => (name.endsWith('.seg') ? [Number.parseInt(name, 10)] : []))
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(10, '0')}.seg`)
  }
}

const segmentBytes = 128 * 1024 * 1024

function corrupt(message: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_LOG_CORRUPT', { message, next: damageNext, cause })
}

/**
 * Makes the error of a failed read. A missing file is damage. A file that cannot be opened at the moment is not damage: too many files may be open,
 * the permission may be missing, or the disk may fail.
 */
function readError(path: string, cause: unknown): WaggleError {
  const { code, message } = cause as NodeJS.ErrnoException
  if (code === 'ENOENT') return corrupt(`${path} is missing`, cause)
  return new Unavailable('WAGGLE_LOG_READ_FAILED', {
    message: `${path} cannot be read: ${message}`,
    next: 'See that the disk is healthy, that the file may be read, and that the process may open enough files (ulimit -n).',
    cause,
  })
}
