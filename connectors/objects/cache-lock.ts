import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import type { Clock } from '../../processor/ports.ts'
import { pause } from '../system/pause.ts'
import type { CacheUsers } from './cache-users.ts'

export interface LockOptions {
  readonly file: string
  readonly users: Pick<CacheUsers, 'isAlive'> & { readonly token: string }
  readonly clock: Clock
}

/**
 * A lock between processes: a file with the token of its holder. If the holder is dead, another process can take the lock. A holder may seem dead
 * while its machine sleeps. Such a holder learns from `isHeld` that it has lost the lock. Until then two processes may write under one lock, so they
 * must write the same bytes.
 */
export class CacheLock {
  readonly #options: LockOptions
  readonly #content: string
  #sinceMs = 0

  private constructor(options: LockOptions) {
    this.#options = options
    this.#content = `${options.users.token} ${randomUUID()}`
  }

  /** Waits for the lock. `onWait` is called once if another process has the lock. Throws the reason of `signal`. */
  static async acquire(options: LockOptions, signal: AbortSignal, onWait: () => void): Promise<CacheLock> {
    for (let waits = 0; ; waits++) {
      const lock = await CacheLock.tryToAcquire(options)
      if (lock !== null) return lock
      if (waits === 0) onWait()
      await pause(options.clock, lookMs, signal)
    }
  }

  /** Takes the lock. Returns null if a living process holds it. */
  static async tryToAcquire(options: LockOptions): Promise<CacheLock | null> {
    const { file, users } = options
    const lock = new CacheLock(options)
    const own = `${file}.${randomUUID()}`
    await writeFile(own, lock.#content)
    try {
      lock.#sinceMs = (await stat(own)).mtimeMs
      // The link appears together with the file's content, so nobody sees a lock file without a holder.
      if (await isLinked(own, file)) return lock
      const seen = await contentOf(file)
      const [holder = ''] = seen.split(' ')
      if (await users.isAlive(holder)) return null
      await removeSeen(file, seen)
      return (await isLinked(own, file)) ? lock : null
    } finally {
      await rm(own, { force: true })
    }
  }

  /** The time when the lock was taken, in epoch milliseconds by the clock of the file system. */
  get sinceMs(): number {
    return this.#sinceMs
  }

  async isHeld(): Promise<boolean> {
    return (await contentOf(this.#options.file)) === this.#content
  }

  async release(): Promise<void> {
    await removeSeen(this.#options.file, this.#content)
  }
}

/** Links the file. Returns false if a file of that name already exists. */
async function isLinked(own: string, file: string): Promise<boolean> {
  try {
    await link(own, file)
    return true
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw thrown
  }
}

/** Removes the file if it has this content. If another process has put a new file in its place at that moment, the new file is put back. */
async function removeSeen(file: string, content: string): Promise<void> {
  if ((await contentOf(file)) !== content) return
  const aside = `${file}.${randomUUID()}`
  try {
    await rename(file, aside)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return
    throw thrown
  }
  try {
    if ((await contentOf(aside)) !== content) await isLinked(aside, file)
  } finally {
    await rm(aside, { force: true })
  }
}

async function contentOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}

const lookMs = 200
