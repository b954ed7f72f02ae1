import { WaggleError } from '../../../topology/waggle-error.ts'
import { Rocks } from '../../rocksdb/rocks.ts'
import { closedLog } from './closed-log.ts'
import { writeError } from './commit-write.ts'

/** Another JavaScript thread that reads this database. */
export interface Borrower {
  /** Ends the thread. Settles when the thread has ended. Its uncommitted work is lost. */
  end(): Promise<void>
}

/**
 * The log's database, which is lent to other JavaScript threads of this process to read state. After a failed write RocksDB takes no more writes, and
 * the database is `broken` until `repair` opens it again. Borrowers must end before the database closes, because a read from a closed database ends
 * the process.
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

  get rocks(): Rocks {
    return this.#rocks
  }

  /** The error of the last write, if the write failed; null if the last write succeeded or the database was repaired since. */
  get broken(): WaggleError | null {
    return this.#broken
  }

  /** The database for writing; null while the log closes or the database is broken. */
  get writable(): Rocks | null {
    return this.#isClosing || this.#broken !== null ? null : this.#rocks
  }

  /** The database for writing. While the database is broken, throws the error of the failed write. While the log closes, throws WAGGLE_CLOSED. */
  forWriting(): Rocks {
    if (this.writable === null) throw this.#broken ?? closedLog()
    return this.writable
  }

  /** Lends the open database to a thread. A broken database is repaired first. Throws WAGGLE_CLOSED. */
  async lend(borrower: Borrower): Promise<{ readonly handle: bigint; giveBack(): void }> {
    while (this.#broken !== null && !this.#isClosing) await this.#untilRepaired.promise
    if (this.#isClosing) throw closedLog()
    this.#borrowers.add(borrower)
    return { handle: this.#rocks.handle, giveBack: () => void this.#borrowers.delete(borrower) }
  }

  break(cause: unknown): void {
    this.#broken = WaggleError.from('WAGGLE_LOG_WRITE_FAILED', cause, { next: 'See that the disk is healthy and writable.' })
  }

  /** Opens a broken database again. If the opening fails, the database stays broken, and this method throws. */
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

  /** Refuses new borrowers. Waiting commits are still written. */
  refuseLending(): void {
    this.#isClosing = true
    this.#untilRepaired.resolve()
  }

  async endBorrowers(): Promise<void> {
    for (const borrower of this.#borrowers) await borrower.end()
    this.#borrowers.clear()
  }

  /** Closes the database. The caller must have awaited `endBorrowers`. */
  async close(): Promise<void> {
    await this.#rocks.close()
  }
}
