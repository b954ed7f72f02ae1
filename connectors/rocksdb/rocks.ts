import type { RocksLevel } from '@nxtedition/rocksdb'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { loadRocksLevel } from './rocks-binding.ts'
import { WalSync } from './wal-sync.ts'

export type RocksChange = readonly [key: Uint8Array, value: Uint8Array | null]

/** `log`: the database of the embedded log. `state`: local copies of changelogs on a cluster. */
type Use = 'log' | 'state'

export interface RangeOptions {
  readonly reverse?: boolean
  /** False: the values of rows are not read, and are empty. Default: true. */
  readonly values?: boolean
}

/**
 * A RocksDB database. It uses the synchronous calls of @nxtedition/rocksdb, whose exact version is pinned because these calls are not documented. A
 * write goes to the write-ahead log in the page cache, so it survives a crash of the process. `sync` makes all writes so far survive a crash of the
 * machine. The sync runs in the thread pool, because the binding's own synced write would block the event loop.
 */
export class Rocks {
  readonly directory: string
  readonly #level: RocksLevel
  #closed = false
  /** Null for a borrowed database. Only the thread that opened a database writes to it. */
  readonly #wal: WalSync | null
  /**
   * The batch for the next write. One batch is used again and again, because the database holds each new batch with its contents until
   * `detachResource`.
   */
  #batch: ReturnType<RocksLevel['batch']> | null = null

  readonly #use: Use
  #clearFailure: Error | null = null

  private constructor(directory: string, db: RocksLevel, wal: WalSync | null, use: Use) {
    this.directory = directory
    this.#use = use
    this.#level = db
    this.#wal = wal
  }

  static async open(directory: string, { use = 'log' }: { readonly use?: Use } = {}): Promise<Rocks> {
    const db = new (await loadRocksLevel())(directory, {})
    try {
      await db.open({ createIfMissing: true, ...settings[use] })
    } catch (thrown) {
      throw openError(directory, thrown, use)
    }
    return new Rocks(directory, db, new WalSync(directory, () => db.getProperty('rocksdb.current-super-version-number')), use)
  }

  /**
   * Opens a database of another thread of this process, for reading. Neither thread may close the database while this thread lives, because the
   * binding would then end the process. This thread may end at any time.
   */
  static async borrow(handle: bigint): Promise<Rocks> {
    const db = new (await loadRocksLevel())(handle, {})
    await db.open({})
    return new Rocks('', db, null, 'log')
  }

  /** The handle with which another thread can `borrow` the database. */
  get handle(): bigint {
    return this.#db.handle
  }

  /** The number of changes written so far, across restarts. */
  get sequence(): number {
    return this.#db.sequence
  }

  /** RocksDB's estimate of the bytes of all rows: the newest version of each row in its files, and the memory of rows that are in no file yet. */
  get liveBytes(): number {
    return Number(this.#db.getProperty('rocksdb.estimate-live-data-size')) + Number(this.#db.getProperty('rocksdb.cur-size-all-mem-tables'))
  }

  /** The open database. Throws after `close`, because a call to a closed database would end the process. */
  get #db(): RocksLevel {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: `${this.directory} is closed`, next: 'Open the database again.' })
    return this.#level
  }

  get(key: Uint8Array): Uint8Array | null {
    return this.#read([key])[0] ?? null
  }

  getMany(keys: readonly Uint8Array[]): readonly (Uint8Array | null)[] {
    return this.#read(keys).map((value) => value ?? null)
  }

  #read(keys: readonly Uint8Array[]): (Uint8Array | undefined)[] {
    try {
      return this.#db._getManySync(keys, binary)
    } catch (thrown) {
      throw readError(this.directory, thrown, this.#use)
    }
  }

  /** Writes all changes atomically. If several changes have the same key, the last change counts. */
  write(changes: Iterable<RocksChange>): void {
    if (this.#wal === null) throw this.#borrowed()
    this.#throwClearFailure()
    const batch = this.#batch ?? this.#db.batch()
    this.#batch = null
    let bytes = 0
    try {
      for (const [key, value] of changes) {
        bytes += key.length + (value?.length ?? 0)
        if (value === null) batch._del(key, none)
        else batch._put(key, value, none)
      }
      batch._writeSync({ sync: false })
    } finally {
      batch._clear()
      if (bytes <= maxKeptBatchBytes) this.#batch = batch
      else this.#level.detachResource(batch)
    }
  }

  /** Deletes all keys from `from` (inclusive) to `to` (exclusive). If the deletion fails, the next `write` or `sync` throws its error. */
  clear(from: Uint8Array, to: Uint8Array): void {
    this.#db._clear({ ...binary, gte: from, lt: to, reverse: false, limit: -1 }, (error) => {
      if (error !== null) this.#clearFailure = error
    })
  }

  sync(): Promise<void> {
    try {
      this.#throwClearFailure()
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#wal?.sync() ?? Promise.reject(this.#borrowed())
  }

  /** Rows from `from` (inclusive) to `to` (exclusive), as they are at the first step of the iteration. Null: no bound. */
  *range(from: Uint8Array | null, to: Uint8Array | null, options: RangeOptions = {}): IterableIterator<readonly [Uint8Array, Uint8Array]> {
    const iterator = this.#db._iterator({
      ...binary,
      ...(from === null ? {} : { gte: from }),
      ...(to === null ? {} : { lt: to }),
      reverse: options.reverse ?? false,
      keys: true,
      values: options.values ?? true,
      limit: -1,
      highWaterMarkBytes: 256 * 1024,
    })
    try {
      for (let size = 1; ; size = Math.min(size * 8, 1024)) {
        if (this.#closed) return
        const { rows, finished } = this.#next(iterator, size)
        for (let at = 0; at < rows.length; at += 2) yield [rows[at] as Uint8Array, rows[at + 1] as Uint8Array]
        if (finished) return
      }
    } finally {
      if (!this.#closed) {
        iterator._closeSync()
        this.#level.detachResource(iterator)
      }
    }
  }

  /** Reads everything, and so checks the checksum of every block. Throws WAGGLE_LOG_CORRUPT if a checksum is wrong. */
  verify(): void {
    for (const _ of this.range(null, null, { values: false }));
  }

  #next(iterator: ReturnType<RocksLevel['_iterator']>, size: number): ReturnType<typeof iterator._nextvSync> {
    try {
      return iterator._nextvSync(size, none)
    } catch (thrown) {
      throw readError(this.directory, thrown, this.#use)
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    if (this.#wal === null) throw this.#borrowed()
    this.#closed = true
    await this.#wal.close()
    // If the last flush fails on a full disk, the database still closes and releases its lock. Everything that was reported as durable is already
    // synced.
    await this.#level.close().catch(() => {})
  }

  #throwClearFailure(): void {
    const failure = this.#clearFailure
    this.#clearFailure = null
    if (failure === null) return
    throw WaggleError.from('WAGGLE_LOG_WRITE_FAILED', failure, {
      message: `Old rows of ${this.directory} cannot be deleted`,
      next: 'See that the disk is healthy and has room.',
    })
  }

  #borrowed(): WaggleError {
    return new WaggleError('WAGGLE_INTERNAL', { message: 'A borrowed database can only be read', next: 'Report this as a bug.' })
  }
}

/**
 * Settings for rows that are read soon after their write, or are overwritten often. The write-ahead log and the upper levels are not compressed. A
 * row then costs 2.2 µs of CPU, compared with 3.4 µs with the binding's defaults. Writes wait when memtables hold one and a half times their budget.
 * The binding applies a budget only if `compaction` is set. Without `compaction`, the binding makes files of 64 MiB, and holds each file in memory
 * while compressing the file.
 */
const settings = {
  log: { compaction: 'level', walCompression: false, cacheSize: 32 * 1024 * 1024, memtableMemoryBudget: 32 * 1024 * 1024 },
  state: { compaction: 'level', walCompression: false, cacheSize: 64 * 1024 * 1024, memtableMemoryBudget: 64 * 1024 * 1024 },
} as const

/** A batch keeps its memory, so batches larger than this are not used again. */
const maxKeptBatchBytes = 8 * 1024 * 1024

const binary = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const none = {}

function openError(directory: string, thrown: unknown, use: Use): WaggleError {
  const cause = (thrown as { cause?: { code?: string; message?: string } }).cause ?? (thrown as { code?: string; message?: string })
  if (cause.code === 'LEVEL_LOCKED') {
    return new WaggleError('WAGGLE_DATA_DIR_IN_USE', {
      message: `Another process has ${directory} open`,
      next: 'Stop that process, or set WAGGLE_DATA_DIR to another directory for this process.',
      cause: thrown,
    })
  }
  const said = cause.message ?? String(thrown)
  if (isDamage(cause.code, said)) return damaged(directory, said, thrown, use)
  return WaggleError.from('WAGGLE_DATA_DIR_UNREADABLE', new Error(cause.message ?? String(thrown), { cause: thrown }), {
    message: `${directory} cannot be opened`,
    next: 'See that it is writable and has room, or set WAGGLE_DATA_DIR to another.',
  })
}

/** The error of a failed read. It is an `Unavailable`, so the caller waits, and does not refuse the record that needs the row. */
function readError(directory: string, thrown: unknown, use: Use): WaggleError {
  if (thrown instanceof WaggleError) return thrown
  const { code, message } = thrown as { readonly code?: string; readonly message?: string }
  const said = message ?? String(thrown)
  if (isDamage(code, said)) return damaged(directory, said, thrown, use)
  return new Unavailable('WAGGLE_LOG_READ_FAILED', {
    message: `${directory} cannot be read: ${said.trim()}`,
    next: 'See that the disk is healthy, and that the process may open enough files (ulimit -n).',
    cause: thrown,
  })
}

/** True if a file is missing or has wrong contents. False if a file cannot be opened or read at the moment. */
function isDamage(code: string | undefined, said: string): boolean {
  if (/Too many open files|Permission denied|Input\/output error|No space left|Cannot allocate memory/i.test(said)) return false
  return code === 'LEVEL_CORRUPTION' || /Corruption|No such file/.test(said)
}

function damaged(directory: string, said: string, cause: unknown, use: Use): Unavailable {
  return new Unavailable(use === 'log' ? 'WAGGLE_LOG_CORRUPT' : 'WAGGLE_STATE_CORRUPT', {
    message: `${directory} is damaged: ${said.trim().replaceAll(/\s*\n\s*/g, '; ')}`,
    next: use === 'log' ? damageNext : 'Delete the directory: its state is read again from the changelogs.',
    cause,
  })
}

export const damageNext =
  'Restore the data directory from a copy, or start once with `waggle run --accept-loss`: it goes on with what is left, and lists what is gone.'
