import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import { Unavailable } from '../../topology/waggle-error.ts'
import { type DiskSpace, diskOf, shownBytes } from '../system/disk-space.ts'

export interface DirectoryBytesOptions {
  readonly directory: string
  readonly clock: Pick<Clock, 'elapsedMs'>
  /** The most bytes of all files; null: as much as the disk has, without its reserve. */
  readonly maxBytes: number | null
  /** Called once when the bytes of the files come near their bound. */
  readonly onNotice?: (notice: string) => void
  /** The space of the disk. Default: that of the directory's disk. */
  readonly disk?: () => DiskSpace
}

/**
 * The bytes of the files of a claim store. A file that would pass the bound, or would take the reserve of the disk, is refused before it is written:
 * a full disk would stop the log too. The files are counted at the start, and again when a file is refused, because others may have deleted some.
 */
export class DirectoryBytes {
  readonly #options: DirectoryBytesOptions
  readonly #disk: () => DiskSpace
  #bytes = 0
  #hasWarned = false
  #countedAtMs = 0
  #counting: Promise<void> | null = null
  /** The changes since the start of a count that has not ended, and the bytes that were being written at its start. */
  #changed = 0
  /** The bytes of files that are being written. A count may have passed their place before they have a name. */
  #writing = 0

  private constructor(options: DirectoryBytesOptions) {
    this.#options = options
    this.#disk = options.disk ?? (() => diskOf(options.directory))
  }

  static async counted(options: DirectoryBytesOptions): Promise<DirectoryBytes> {
    const bytes = new DirectoryBytes(options)
    await bytes.#count()
    return bytes
  }

  get usage(): { readonly bytes: number; readonly maxBytes: number } {
    return { bytes: this.#bytes, maxBytes: this.#most(this.#disk()) }
  }

  /** Counts a file that is about to be written. `written` must follow. Throws WAGGLE_CLAIM_STORE_FULL. */
  add(bytes: number): void {
    const refusal = this.refusal(bytes)
    if (refusal !== null) throw refusal
    this.#writing += bytes
    this.#change(bytes)
    this.#warn()
  }

  /** Ends the write of a file, which may have failed. */
  written(bytes: number): void {
    this.#writing -= bytes
  }

  /** Counts a file that is gone. */
  remove(bytes: number): void {
    this.#change(-bytes)
  }

  /** The error for a file of this many bytes; null if there is room for the file. */
  refusal(bytes: number): Unavailable | null {
    const { maxBytes } = this.#options
    const disk = this.#disk()
    const isOverMax = maxBytes !== null && this.#bytes + bytes > maxBytes
    if (!isOverMax && disk.free - bytes >= reserveOf(disk)) return null
    this.#countAgain()
    return new Unavailable('WAGGLE_CLAIM_STORE_FULL', {
      message: isOverMax
        ? `The claim store has ${shownBytes(this.#bytes)} of large payloads, and ${bytes} bytes more would pass the ${shownBytes(maxBytes)} that it may have (WAGGLE_CLAIM_STORE_MAX_BYTES)`
        : `The disk of the claim store has ${shownBytes(disk.free)} left, and ${bytes} bytes more would take the ${shownBytes(reserveOf(disk))} that stay free for the log`,
      next: isOverMax
        ? 'Raise WAGGLE_CLAIM_STORE_MAX_BYTES, keep payloads for a shorter time (WAGGLE_RETENTION_SECONDS, WAGGLE_ANSWERS_RETENTION_SECONDS), or keep them on S3 (WAGGLE_CLAIM_STORE=s3://BUCKET/PREFIX).'
        : 'Make room on the disk: Waggle goes on by itself. Or keep large payloads on S3 (WAGGLE_CLAIM_STORE=s3://BUCKET/PREFIX).',
    })
  }

  #change(bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes + bytes)
    this.#changed += bytes
  }

  /** The bytes that the files may have now. */
  #most(disk: DiskSpace): number {
    const room = Math.max(0, this.#bytes + disk.free - reserveOf(disk))
    return Math.min(this.#options.maxBytes ?? room, room)
  }

  #warn(): void {
    const { onNotice = () => {} } = this.#options
    const most = this.#most(this.#disk())
    const isNear = this.#bytes >= most * warnAt
    if (isNear && !this.#hasWarned)
      onNotice(
        `Large payloads have ${shownBytes(this.#bytes)} of the ${shownBytes(most)} that they may have; beyond it they are refused. They go when their time is over, or raise WAGGLE_CLAIM_STORE_MAX_BYTES and give the disk more room.`,
      )
    this.#hasWarned = isNear
  }

  #countAgain(): void {
    if (this.#counting !== null || this.#options.clock.elapsedMs() - this.#countedAtMs < countMs) return
    // A directory that cannot be read keeps its count, and its next write fails with the reason.
    this.#counting = this.#count()
      .catch(() => {})
      .finally(() => {
        this.#counting = null
      })
  }

  async #count(): Promise<void> {
    // A file that gets its name during the count may count twice, until the next count. Too few bytes would let the files pass their bound.
    this.#changed = this.#writing
    let bytes = 0
    for (const folder of await readdir(this.#options.directory, { withFileTypes: true })) {
      if (!folder.isDirectory()) continue
      const path = join(this.#options.directory, folder.name)
      const names = await readdir(path).catch(() => [])
      for (let at = 0; at < names.length; at += atOnce)
        for (const size of await Promise.all(names.slice(at, at + atOnce).map((name) => sizeOf(join(path, name))))) bytes += size
    }
    this.#bytes = Math.max(0, bytes + this.#changed)
    this.#countedAtMs = this.#options.clock.elapsedMs()
  }
}

/** The size of a file; 0 for a file that is gone. */
export async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  )
}

/** A twentieth of the disk, and no more than the log needs to go on for a while. */
function reserveOf({ size }: DiskSpace): number {
  return Math.min(size / 20, mostReserve)
}

const mostReserve = 1024 ** 3
const warnAt = 0.8
const atOnce = 64
/** The least time between two counts, in ms. */
const countMs = 5_000
