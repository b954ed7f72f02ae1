import { readdir, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { deleteEntry, entriesOf, type StoredEntry } from './cache-entry.ts'
import { CacheLock } from './cache-lock.ts'
import type { CacheUsers } from './cache-users.ts'
import { tooLarge } from './store-error.ts'

export interface CacheRoomOptions {
  readonly directory: string
  readonly maxBytes: number
  readonly users: CacheUsers
  readonly clock: Clock
  /** Gives the number of free bytes on the disk. Default: asks the file system. */
  readonly freeBytes?: () => Promise<number>
}

/** A version that needs room. */
export interface RoomWish {
  readonly address: string
  /** The directory for the version. */
  readonly directory: string
  readonly bytes: number
  /** The bytes of the version that are already in `directory`. */
  readonly bytesHere: number
}

/**
 * Keeps the size of the cache within its limit, and leaves room on the disk. It deletes the least recently used versions first, and never a version
 * that a process uses or fetches.
 */
export class CacheRoom {
  readonly #options: CacheRoomOptions

  constructor(options: CacheRoomOptions) {
    this.#options = options
  }

  /**
   * Makes room for a version in `directory`, and calls `reserve` before another process can take the room. Throws WAGGLE_MODEL_TOO_LARGE or
   * WAGGLE_DISK_FULL if there is not enough room even without all unused versions.
   */
  async make(wish: RoomWish, signal: AbortSignal, reserve: () => Promise<void>) {
    const { directory, users, clock } = this.#options
    if (wish.bytes > this.#options.maxBytes) {
      throw tooLarge(
        `${wish.address} has ${wish.bytes} bytes, and the cache of models may have ${this.#options.maxBytes}`,
        'Raise WAGGLE_MODEL_CACHE_BYTES, or name a smaller model.',
      )
    }
    const lock = await CacheLock.acquire({ file: join(directory, 'lock'), users, clock }, signal, () => {})
    try {
      await this.#make(wish)
      await reserve()
    } finally {
      await lock.release()
    }
  }

  async #make({ address, directory, bytes, bytesHere }: RoomWish): Promise<void> {
    const { maxBytes } = this.#options
    const all = await this.#entries()
    const others = all.filter((entry) => entry.directory !== directory)
    const inUse = await this.#options.users.entriesInUse()
    const unused = others.filter((entry) => !inUse.has(entry.directory)).toSorted((a, b) => a.usedAt - b.usedAt)
    let total = others.reduce((sum, entry) => sum + entry.bytes, 0)
    for (;;) {
      const free = await this.#freeBytes()
      const isOverBound = total + bytes > maxBytes
      if (!isOverBound && bytes - bytesHere + spareBytes <= free) return
      const oldest = unused.shift()
      if (oldest !== undefined) {
        if (await this.#evict(oldest, directory)) total -= oldest.bytes
        continue
      }
      if (isOverBound) {
        throw tooLarge(
          `${address} has ${bytes} bytes, and the models in use have ${total} of the ${maxBytes} that the cache may have`,
          'Raise WAGGLE_MODEL_CACHE_BYTES, or stop a swarm.',
        )
      }
      throw new WaggleError('WAGGLE_DISK_FULL', {
        message: `${address} needs ${bytes - bytesHere} more bytes, and the disk of ${this.#options.directory} has ${free} free`,
        next: 'Make room on the disk, or set WAGGLE_DATA_DIR to a directory on another disk.',
      })
    }
  }

  /**
   * Deletes a version. Returns false if a process uses it, or if another process holds the lock of its address. If `roomFor` has the same address,
   * the caller already holds that lock.
   */
  async #evict({ directory }: StoredEntry, roomFor: string): Promise<boolean> {
    const { users, clock } = this.#options
    const isOwn = dirname(directory) === dirname(roomFor)
    const lock = isOwn ? null : await CacheLock.tryToAcquire({ file: join(dirname(directory), 'lock'), users, clock })
    if (!isOwn && lock === null) return false
    try {
      const inUse = await users.entriesInUse()
      if (inUse.has(directory)) return false
      await deleteEntry(directory)
      return true
    } finally {
      await lock?.release()
    }
  }

  async #entries(): Promise<readonly StoredEntry[]> {
    const { directory } = this.#options
    const names = (await readdir(directory)).filter((name) => /^[0-9a-f]{40}$/.test(name))
    return (await Promise.all(names.map((name) => entriesOf(join(directory, name))))).flat()
  }

  async #freeBytes(): Promise<number> {
    if (this.#options.freeBytes !== undefined) return this.#options.freeBytes()
    const { bavail, bsize } = await statfs(this.#options.directory)
    return bavail * bsize
  }
}

/** The bytes that must stay free on the disk, because the log and the database are on the same disk. */
const spareBytes = 64 * 1024 * 1024
