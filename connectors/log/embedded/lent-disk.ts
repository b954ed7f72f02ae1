import { WaggleError } from '../../../topology/waggle-error.ts'
import { Rocks } from '../../rocksdb/rocks.ts'
import { closedLog } from './closed-log.ts'
import { writeError } from './commit-write.ts'

/** Another JavaScript thread that reads the database of this one. */
export interface Borrower {
  /** Settles when the thread has ended. What it had not committed is lost. */
  end(): Promise<void>
}

/**
 * The log's database, which other JavaScript threads of this process read state from. RocksDB takes no more writes after one that failed: the database is
 * `broken` then, until `repair` opens it again. A database that is closed while a thread reads it ends the process, so borrowers end first.
 */
export class LentDisk {
  #rocks: Rocks
  readonly #borrowers = new Set<Borrower>()
  #broken: WaggleError | null = null
  #untilRepaired = Promise.withResolvers<void>()
  #isClosing = false

  constructor(rocks: Rocks) {
    this.#rocks = rocks
  }

  /** Another one after each repair. */
  get rocks(): Rocks {
    return this.#rocks
  }

  /** Why the last write failed; null where it did not, and once the database is repaired. */
  get broken(): WaggleError | null {
    return this.#broken
  }

  /** Null where the log closes, or the database is broken. */
  get writable(): Rocks | null {
    return this.#isClosing || this.#broken !== null ? null : this.#rocks
  }

  /** The database for another thread to open with `openLentState`; waits for a repair. Throws WAGGLE_CLOSED. */
  async lend(borrower: Borrower): Promise<{ readonly handle: bigint; giveBack(): void }> {
    while (this.#broken !== null && !this.#isClosing) await this.#untilRepaired.promise
    if (this.#isClosing) throw closedLog()
    this.#borrowers.add(borrower)
    return { handle: this.#rocks.handle, giveBack: () => void this.#borrowers.delete(borrower) }
  }

  /** A write failed. */
  break(cause: unknown): void {
    this.#broken = WaggleError.from('WAGGLE_LOG_WRITE_FAILED', cause, { next: 'See that the disk is healthy and writable.' })
  }

  /** Opens a broken database again; throws where that fails, and it stays broken. */
  async repair(): Promise<void> {
    if (this.#broken === null) return
    const { directory } = this.#rocks
    await this.endBorrowers()
    await this.#rocks.close()
    try {
      this.#rocks = await Rocks.open(directory)
    } catch (thrown) {
      throw writeError(directory, thrown)
    }
    this.#broken = null
    this.#untilRepaired.resolve()
    this.#untilRepaired = Promise.withResolvers()
  }

  /** Lends no more. Commits that wait are still written. */
  refuseLending(): void {
    this.#isClosing = true
    this.#untilRepaired.resolve()
  }

  async endBorrowers(): Promise<void> {
    for (const borrower of this.#borrowers) await borrower.end()
    this.#borrowers.clear()
  }

  /** After `endBorrowers`. */
  async close(): Promise<void> {
    await this.#rocks.close()
  }
}
