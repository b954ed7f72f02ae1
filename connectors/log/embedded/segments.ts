import { closeSync, mkdirSync, openSync, readdirSync, readSync, statSync, unlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { WaggleError } from '../../../topology/waggle-error.ts'

/** Where a payload lies. */
export interface SegmentRef {
  readonly segment: number
  readonly position: number
  readonly length: number
  readonly crc: number
}

/**
 * Files that large payloads are appended to and never rewritten in, so that no compaction copies them. A payload is durable
 * before the batch that names it; one buffer appended twice is stored once.
 */
export class Segments {
  readonly #directory: string
  readonly #known = new WeakMap<Uint8Array, SegmentRef>()
  readonly #lost = new WeakSet<SegmentRef>()
  #number: number
  #end = 0
  #handle: Promise<FileHandle> | null = null
  #writes: Promise<unknown>[] = []
  #failed: unknown = null

  constructor(directory: string) {
    this.#directory = directory
    mkdirSync(directory, { recursive: true })
    this.#number = Math.max(0, ...this.#numbers()) + 1
  }

  /** Starts writing at once; `sync` waits for it. */
  append(bytes: Uint8Array): SegmentRef {
    const known = this.#known.get(bytes)
    if (known !== undefined) return known
    if (this.#end > segmentBytes) this.#roll()
    const ref = { segment: this.#number, position: this.#end, length: bytes.length, crc: crc32(bytes) }
    this.#end += bytes.length
    this.#handle ??= open(this.#path(this.#number), 'w')
    const write = this.#handle.then((handle) => writeAll(handle, bytes, ref.position))
    // A rejection is looked at in `sync`; until then it must not count as unhandled.
    write.catch((error: unknown) => {
      this.#failed ??= error
      this.#lost.add(ref)
      this.#known.delete(bytes)
    })
    this.#writes.push(write)
    this.#known.set(bytes, ref)
    return ref
  }

  /** Its write failed, and the `sync` that said so may have been another's: append the payload again. */
  isLost(ref: SegmentRef): boolean {
    return this.#lost.has(ref)
  }

  /** Everything appended so far is durable when it settles. After a failure the file is left as it is and the next one begun. */
  async sync(): Promise<void> {
    if (this.#writes.length === 0) return
    const writes = this.#writes
    this.#writes = []
    const handle = await this.#handle?.catch(() => null)
    await Promise.allSettled(writes)
    const failed = this.#failed
    if (failed !== null) {
      this.#failed = null
      this.#roll()
      throw failed
    }
    await handle?.datasync()
  }

  read({ segment, position, length, crc }: SegmentRef): Uint8Array {
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
      throw corrupt(`${path} cannot be read`, cause)
    }
    if (got !== length || crc32(bytes) !== crc) throw corrupt(`${path} does not hold what the log wrote at ${position}`)
    return bytes
  }

  /** Deletes what was last written to before `before` (epoch ms): nothing that is kept names it any more. */
  expire(before: number): void {
    for (const number of this.#numbers()) {
      if (number === this.#number) continue
      if (statSync(this.#path(number)).mtimeMs < before) unlinkSync(this.#path(number))
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#writes)
    await (await this.#handle)?.close()
    this.#handle = null
  }

  #roll(): void {
    const old = this.#handle
    const writes = [...this.#writes]
    this.#number++
    this.#end = 0
    this.#handle = null
    // What the old file still has to take is synced with it, once, by whoever syncs next.
    if (old !== null) {
      const closing = Promise.allSettled(writes).then(async () => {
        const handle = await old
        await handle.datasync()
        await handle.close()
      })
      closing.catch((error: unknown) => {
        this.#failed ??= error
      })
      this.#writes.push(closing)
    }
  }

  #numbers(): number[] {
    return readdirSync(this.#directory).flatMap((name) => (name.endsWith('.seg') ? [Number.parseInt(name, 10)] : []))
  }

  #path(number: number): string {
    return join(this.#directory, `${String(number).padStart(10, '0')}.seg`)
  }
}

const segmentBytes = 128 * 1024 * 1024

/** A disk that is nearly full takes a part and says so only by how much it took. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    if (bytesWritten === 0) throw new Error('ENOSPC: the disk takes no more')
    done += bytesWritten
  }
}

function corrupt(message: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_LOG_CORRUPT', { message, next: 'Restore the data directory from a copy, or start with an empty one.', cause })
}
