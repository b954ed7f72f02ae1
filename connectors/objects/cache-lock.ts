import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Clock } from '../../processor/ports.ts'
import { pause } from '../system/pause.ts'
import type { CacheUsers } from './cache-users.ts'

export interface LockOptions {
  readonly file: string
  readonly users: CacheUsers
  readonly clock: Clock
}

/**
 * A lock between processes: a file with the token of its holder, which goes to the next process if the holder is dead. Two processes may take the lock of a
 * dead one at the same moment. Then one of them finds out by `isHeld`, so what it protects must stay right with two writers of the same bytes.
 */
export class CacheLock {
  readonly #options: LockOptions
  readonly #content: string

  private constructor(options: LockOptions) {
    this.#options = options
    this.#content = `${options.users.token} ${randomUUID()}`
  }

  /** Waits for the lock. `onWait` is called once, if another process has it. Throws the reason of `signal`. */
  static async acquire(options: LockOptions, signal: AbortSignal, onWait: () => void): Promise<CacheLock> {
    for (let waits = 0; ; waits++) {
      const lock = await CacheLock.tryToAcquire(options)
      if (lock !== null) return lock
      if (waits === 0) onWait()
      await pause(options.clock, lookMs, signal)
    }
  }

  /** The lock, or null if a living process has it. */
  static async tryToAcquire(options: LockOptions): Promise<CacheLock | null> {
    const { file, users } = options
    const lock = new CacheLock(options)
    const own = `${file}.${randomUUID()}`
    await writeFile(own, lock.#content)
    try {
      // A link is made at once with its content, so nobody sees a lock without a holder.
      await link(own, file)
      return lock
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
      const [holder = ''] = (await contentOf(file)).split(' ')
      if (await users.isAlive(holder)) return null
      await rename(own, file)
      return (await lock.isHeld()) ? lock : null
    } finally {
      await rm(own, { force: true })
    }
  }

  async isHeld(): Promise<boolean> {
    return (await contentOf(this.#options.file)) === this.#content
  }

  async release(): Promise<void> {
    if (await this.isHeld()) await rm(this.#options.file, { force: true })
  }
}

async function contentOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}

const lookMs = 200
