import type { RocksLevel } from '@nxtedition/rocksdb'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { loadRocksLevel } from './rocks-binding.ts'
import { WalSync } from './wal-sync.ts'

export type RocksChange = readonly [key: Uint8Array, value: Uint8Array | null]

/** The log of this process, or copies of what changelogs on a cluster say. */
type Use = 'log' | 'state'

export interface RangeOptions {
  readonly reverse?: boolean
  /** Without them keys come alone, each with an empty value. */
  readonly values?: boolean
}

/**
 * The synchronous calls of @nxtedition/rocksdb, which has no types for them; its exact version is pinned for their sake.
 * A write goes to the write-ahead log in the page cache at once (it survives the process); `sync` makes all writes so far
 * survive the machine, from the thread pool, where the binding's own synced write would hold up the event loop.
 */
export class Rocks {
  readonly directory: string
  readonly #level: RocksLevel
  #closed = false
  /** Null where another thread has opened it, which alone writes. */
  readonly #wal: WalSync | null
  /** Written again and again: the database holds on to each that is made, and all that was written with it, until it is told to let go. */
  #batch: ReturnType<RocksLevel['batch']> | null = null

  readonly #use: Use

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
    return new Rocks(directory, db, new WalSync(directory), use)
  }

  /**
   * What another thread of this process has open, to read only. It must not be closed, here or there, while this thread lives: the
   * binding would end the process. A thread that just ends does no harm.
   */
  static async borrow(handle: bigint): Promise<Rocks> {
    const db = new (await loadRocksLevel())(handle, {})
    await db.open({})
    return new Rocks('', db, null, 'log')
  }

  /** For another thread to `borrow`. */
  get handle(): bigint {
    return this.#db.handle
  }

  /** Grows with each change that is written, over restarts too. */
  get sequence(): number {
    return this.#db.sequence
  }

  /** The binding itself would end the process when it is used after it was closed. */
  get #db(): RocksLevel {
    if (this.#closed) throw new WaggleError('WAGGLE_CLOSED', { message: `${this.directory} is closed`, next: 'Open it again.' })
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

  /** One atomic write. Later changes of a key win. */
  write(changes: Iterable<RocksChange>): void {
    if (this.#wal === null) throw this.#borrowed()
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

  /** Deletes all keys from `from` up to, not with, `to`. */
  clear(from: Uint8Array, to: Uint8Array): void {
    this.#db._clear({ ...binary, gte: from, lt: to, reverse: false, limit: -1 }, () => {})
  }

  sync(): Promise<void> {
    return this.#wal?.sync() ?? Promise.reject(this.#borrowed())
  }

  /** `from` inclusive, `to` exclusive; null is open. A snapshot of the moment of the first step. */
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

  /** Reads everything, so that each block's checksum is looked at: WAGGLE_LOG_CORRUPT where one is wrong. */
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
    // It is closed and lets go of its lock even where its last flush fails (a full disk); what was promised is synced by then.
    await this.#level.close().catch(() => {})
  }

  #borrowed(): WaggleError {
    return new WaggleError('WAGGLE_INTERNAL', { message: 'A borrowed database can only be read', next: 'Report this as a bug.' })
  }
}

/**
 * What is written is read soon and then hardly again, or written all over, and often: uncompressed in its write-ahead log and its upper
 * levels a row costs 2.2 µs of CPU to bring in, where it costs 3.4 with the binding's own settings. Memtables hold up to one and a half
 * budgets before writes wait. The binding heeds a budget only with `compaction`; without, files are of 64 MiB, each of which waits in memory
 * to be compressed.
 */
const settings = {
  log: { compaction: 'level', walCompression: false, cacheSize: 32 * 1024 * 1024, memtableMemoryBudget: 32 * 1024 * 1024 },
  state: { compaction: 'level', walCompression: false, cacheSize: 64 * 1024 * 1024, memtableMemoryBudget: 64 * 1024 * 1024 },
} as const

/** A batch keeps the room that it once took. */
const maxKeptBatchBytes = 8 * 1024 * 1024

const binary = { keyEncoding: 'buffer', valueEncoding: 'buffer' } as const
const none = {}

function openError(directory: string, thrown: unknown, use: Use): WaggleError {
  const cause = (thrown as { cause?: { code?: string; message?: string } }).cause ?? (thrown as { code?: string; message?: string })
  if (cause.code === 'LEVEL_LOCKED') {
    return new WaggleError('WAGGLE_DATA_DIR_IN_USE', {
      message: `Another process has ${directory} open`,
      next: 'Stop it, or set WAGGLE_DATA_DIR to a directory of this one’s own.',
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

/** The state of a table or a log that is being read cannot be had now: whoever asks waits, and nothing is decided about the record that asks. */
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

/** A file that is missing or holds something else; not a file that may not be opened, or of which too many are open. */
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

/** The step to take after damage, whatever found it. */
export const damageNext =
  'Restore the data directory from a copy, or start once with `waggle run --accept-loss`: it goes on with what is left, and lists what is gone.'
