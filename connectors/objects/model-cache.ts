import { mkdir, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { ObjectListing, ObjectStore } from '../../topology/swarm/ports/objects.ts'
import { shownAddress } from '../../topology/swarm/secrets/shown-address.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { fileError, makeDirectory } from '../system/file-error.ts'
import { pause } from '../system/pause.ts'
import {
  addressHash,
  bytesHere,
  type CacheEntry,
  contentOf,
  deleteEntry,
  deleteLeftovers,
  entriesOf,
  isWhole,
  readEntry,
  type StoredEntry,
  sha256Of,
  syncDirectory,
  touchEntry,
  versionHash,
  writeEntry,
} from './cache-entry.ts'
import { CacheLock } from './cache-lock.ts'
import { CacheRoom } from './cache-room.ts'
import { bootId, CacheUsers } from './cache-users.ts'
import { checkListing } from './check-listing.ts'
import { download } from './download.ts'
import { DownloadProgress } from './download-progress.ts'
import { inParallel } from './in-parallel.ts'
import { away } from './store-error.ts'
import { untilAborted } from './until-aborted.ts'

export interface ModelCacheOptions {
  /** The directory of the cache. Several processes may share it. */
  readonly directory: string
  /** The most bytes of all versions together. */
  readonly maxBytes: number
  /** Gives the store for an address. Throws WAGGLE_MODEL_SOURCE. */
  readonly storeOf: (address: string) => ObjectStore
  readonly clock: Clock
  /** Gives the number of free bytes on the disk. Default: asks the file system of the directory. */
  readonly freeBytes?: () => Promise<number>
  /** The period in which at least `leastBytes` must arrive, in ms. */
  readonly stallMs?: number
  /**
   * The time limit for fetching a model, in ms. After this limit an older version is used. If there is no older version, the log reports that the
   * limit has passed, and the fetch continues. Default: an hour.
   */
  readonly fetchMs?: number
}

export interface ModelWish {
  readonly address: string
  readonly kind: 'file' | 'file or folder'
  /** The SHA-256 that the file must have, in hexadecimal. */
  readonly sha256?: string
  /** The model stays on this disk until this signal aborts. Default: until the cache closes. */
  readonly until?: AbortSignal
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/**
 * A cache on this disk for models from other places. A version is fetched once for all bees and processes that share the directory. While a store is
 * unreachable, the newest version on this disk is used. If there is no version, the store is asked again until it answers.
 */
export class ModelCache {
  readonly #options: ModelCacheOptions
  readonly #users: CacheUsers
  readonly #room: CacheRoom
  readonly #closing = new AbortController()
  readonly #fetching = new Map<string, Promise<string>>()
  /** For each address that is being retried, its last failure. */
  readonly #waits = new Map<string, string>()

  constructor(options: ModelCacheOptions) {
    this.#options = options
    const { directory, maxBytes, clock, freeBytes } = options
    this.#users = new CacheUsers(directory, clock)
    this.#room = new CacheRoom({ directory, maxBytes, clock, users: this.#users, ...(freeBytes === undefined ? {} : { freeBytes }) })
  }

  /**
   * Fetches a model if needed, and returns its path on this disk. Throws WAGGLE_MODEL_NOT_FOUND, WAGGLE_MODEL_REFUSED, WAGGLE_MODEL_DIFFERS,
   * WAGGLE_MODEL_TOO_LARGE and WAGGLE_DISK_FULL.
   */
  async path(wish: ModelWish): Promise<string> {
    this.#closing.signal.throwIfAborted()
    const key = JSON.stringify([wish.address, wish.kind, wish.sha256 ?? null])
    const known = this.#fetching.get(key)
    const path = await (known === undefined ? this.#fetchOnce(key, wish) : known.then((shared) => this.#useAgain(shared)))
    const release = () => this.#users.release(entryOf(path))
    if (wish.until?.aborted) release()
    else wish.until?.addEventListener('abort', release, { once: true })
    return path
  }

  #fetchOnce(key: string, wish: ModelWish): Promise<string> {
    const path = this.#keepTrying(wish).finally(() => {
      this.#fetching.delete(key)
      this.#waits.delete(wish.address)
    })
    this.#fetching.set(key, path)
    return path
  }

  /** Counts one more use of a model that another call has found. The other call still uses the model, so the files are still on the disk. */
  #useAgain(path: string): string {
    void this.#users.use(entryOf(path))
    return path
  }

  /** The path of the newest version on this disk; null if there is none. Nothing is fetched. */
  async pathHere({ address, kind, sha256 }: Omit<ModelWish, 'log'>): Promise<string | null> {
    const entry = await this.#usable(address, { kind, ...(sha256 === undefined ? {} : { sha256 }) })
    return entry === null ? null : contentOf(entry)
  }

  /** The failure of a model that a bee is still waiting for; null if no bee is waiting. */
  get waitingFor(): string | null {
    return this.#waits.values().next().value ?? null
  }

  /** Aborts running fetches. The next start of Waggle continues them. */
  async close(): Promise<void> {
    this.#closing.abort(
      new WaggleError('WAGGLE_STOPPING', {
        message: 'The model is not fetched, because Waggle stops',
        next: 'Nothing: the next start continues to fetch the model.',
      }),
    )
    await Promise.allSettled(this.#fetching.values())
    await this.#users.close()
  }

  async #keepTrying(wish: ModelWish): Promise<string> {
    const { clock, fetchMs = usualFetchMs } = this.#options
    const progress = new DownloadProgress(shownAddress(wish.address), clock, wish.log)
    let lateAtMs = clock.elapsedMs() + fetchMs
    for (let failures = 0; ; failures++) {
      const bytesBefore = progress.bytes
      const late = new AbortController()
      const cancel = clock.after(Math.max(0, lateAtMs - clock.elapsedMs()), () => late.abort(tooSlow(wish.address, fetchMs)))
      try {
        return await this.#locked(wish, progress, AbortSignal.any([this.#closing.signal, late.signal]))
      } catch (thrown) {
        if (!(thrown instanceof Unavailable)) throw fileError(thrown, otherDisk) ?? thrown
        if (progress.bytes > bytesBefore) failures = 0
        const cached = await this.#usable(wish.address, wish)
        if (cached !== null && (failures >= patience || late.signal.aborted)) return this.#useOld(cached, wish, thrown)
        // Without an older version, the only way is another attempt.
        if (late.signal.aborted) lateAtMs = clock.elapsedMs() + fetchMs
        const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(failures, 16))
        this.#waits.set(wish.address, thrown.message)
        wish.log('warn', `${thrown.message}; trying again in ${Math.ceil(waitMs / 1000)} s`)
        await pause(clock, waitMs, this.#closing.signal)
      } finally {
        cancel()
      }
    }
  }

  async #locked(wish: ModelWish, progress: DownloadProgress, signal: AbortSignal): Promise<string> {
    const { directory, clock } = this.#options
    const place = join(directory, addressHash(wish.address))
    makeDirectory(place, otherDisk)
    await this.#users.open()
    const onWait = () => wish.log('info', `another process fetches ${shownAddress(wish.address)}: waiting for it`)
    const lock = await CacheLock.acquire({ file: join(place, 'lock'), users: this.#users, clock }, signal, onWait)
    try {
      return await this.#current({ wish, progress, place, lock, signal })
    } finally {
      await lock.release()
    }
  }

  /** The path of the version that the store has now. The version is fetched if it is not on this disk. */
  async #current(fetching: Omit<Fetching, 'listing' | 'version' | 'store'>): Promise<string> {
    const { wish, place, signal } = fetching
    const { address, sha256 } = wish
    const pinned = sha256 === undefined ? null : await this.#usable(address, wish)
    // The spec names the hash of the content, and a version on this disk has that hash. So the store need not be asked.
    if (pinned !== null) return this.#use(pinned)
    const store = this.#options.storeOf(address)
    let listing: ObjectListing
    try {
      listing = await this.#look(store, address, signal)
    } catch (thrown) {
      const cached = thrown instanceof Unavailable ? await this.#usable(address, wish) : null
      if (cached === null) throw thrown
      return this.#useOld(cached, wish, thrown)
    }
    checkListing(listing, wish)
    const version = versionHash(listing, this.#options.clock.now())
    const existing = await readEntry(join(place, version))
    if (existing !== null) {
      if ((await isWhole(existing)) && (await hasOwnHash(existing, wish.sha256))) return this.#use(await matching(existing, wish))
      wish.log('warn', `${contentOf(existing)} is not whole any more, and is fetched again`)
      await deleteEntry(existing.directory)
    }
    return this.#fetch({ ...fetching, listing, version, store })
  }

  /** Asks the store for the listing. A server may send its answer one byte at a time, so the whole look-up has a time limit. */
  async #look(store: ObjectStore, address: string, signal: AbortSignal): Promise<ObjectListing> {
    const slow = new AbortController()
    const cancel = this.#options.clock.after(lookMs, () =>
      slow.abort(away(address, new Error(`it did not say what it has within ${lookMs / 1000} s`))),
    )
    const both = AbortSignal.any([signal, slow.signal])
    try {
      return await untilAborted(store.look(address, both), both)
    } finally {
      cancel()
    }
  }

  async #fetch({ wish, progress, place, lock, signal, listing, version, store }: Fetching): Promise<string> {
    const { clock, stallMs = usualStallMs } = this.#options
    const partial = join(place, `${version}.partial`)
    await deleteLeftovers(place)
    const entries = await entriesOf(place)
    // A part of another version cannot be continued. A part that a power failure may have damaged cannot be continued either.
    const boot = await bootId()
    for (const { directory, isPartial, boot: written } of entries) {
      if (isPartial && (directory !== partial || written !== boot)) await deleteEntry(directory)
    }
    const bytes = listing.objects.reduce((sum, object) => sum + object.bytes, 0)
    const { kind, name, objects } = listing
    const files = objects.map(({ path, bytes }) => ({ path, bytes }))
    const entry: CacheEntry = { address: wish.address, kind, name, files, bytes, sha256: null, fetchedAt: clock.now(), boot }
    const room = { address: shownAddress(wish.address), directory: partial, bytes, bytesHere: await bytesHere({ directory: partial, files }) }
    await this.#room.make(room, signal, async () => {
      await mkdir(partial, { recursive: true })
      await writeEntry(partial, entry)
    })
    progress.begin(bytes)
    try {
      await inParallel(objects, signal, (object, signal) => {
        const file = join(partial, 'content', object.path)
        const counts = { onKept: (count: number) => progress.kept(count), onBytes: (count: number) => progress.came(count) }
        return download({ store, object, file, clock, signal, stallMs, leastBytes, ...counts })
      })
    } finally {
      progress.end()
    }
    const sha256 = kind === 'file' ? await sha256Of(join(partial, 'content', name)) : null
    if (wish.sha256 !== undefined && sha256 !== wish.sha256.toLowerCase()) {
      await deleteEntry(partial)
      throw differs(wish, sha256)
    }
    await writeEntry(partial, { ...entry, sha256, fetchedAt: clock.now() })
    await syncDirectory(partial)
    const whole = join(place, version)
    // If another process has taken over the lock, it may already have fetched the same bytes. Its version is then kept.
    if ((await lock.isHeld()) || (await readEntry(whole)) === null) await rename(partial, whole)
    await syncDirectory(place)
    wish.log('info', `${shownAddress(wish.address)} is fetched (${bytes} bytes)`)
    const stored = await readEntry(whole)
    if (stored === null)
      throw new WaggleError('WAGGLE_FILE_UNUSABLE', { message: `${whole} is gone`, next: 'Let nothing else write the data directory.' })
    return this.#use(stored)
  }

  async #use(entry: StoredEntry): Promise<string> {
    await this.#users.use(entry.directory)
    await touchEntry(entry, this.#options.clock.now())
    return contentOf(entry)
  }

  #useOld(entry: StoredEntry, wish: ModelWish, thrown: unknown): Promise<string> {
    const why = thrown instanceof WaggleError ? thrown.message : String(thrown)
    wish.log('warn', `${why}; the version of ${new Date(entry.fetchedAt).toISOString()} from the cache is used`)
    return this.#use(entry)
  }

  /** The newest complete version of an address with the wanted kind and hash; null if there is none. */
  async #usable(address: string, { kind, sha256 }: Pick<ModelWish, 'kind' | 'sha256'>): Promise<StoredEntry | null> {
    const entries = await entriesOf(join(this.#options.directory, addressHash(address)))
    for (const entry of entries.toSorted((a, b) => b.fetchedAt - a.fetchedAt)) {
      if (entry.isPartial || (kind === 'file' && entry.kind === 'folder')) continue
      if (sha256 !== undefined && entry.sha256 !== sha256.toLowerCase()) continue
      if (!(await isWhole(entry))) continue
      if (await hasOwnHash(entry, sha256)) return entry
    }
    return null
  }
}

interface Fetching {
  readonly wish: ModelWish
  readonly progress: DownloadProgress
  readonly place: string
  readonly lock: CacheLock
  /** Ends the fetch, and the wait for the lock. */
  readonly signal: AbortSignal
  readonly listing: ObjectListing
  readonly version: string
  readonly store: ObjectStore
}

/** The directory of the version to which a path belongs. */
function entryOf(path: string): string {
  return dirname(dirname(path))
}

/**
 * False if the file's bytes have changed since the file was fetched. This check reads all bytes, so only files whose spec names a hash are checked.
 */
async function hasOwnHash(entry: StoredEntry, sha256: string | undefined): Promise<boolean> {
  return sha256 === undefined || entry.sha256 === null || (await sha256Of(contentOf(entry))) === entry.sha256
}

/** Returns the entry if its hash is the wanted hash. Throws WAGGLE_MODEL_DIFFERS. */
async function matching(entry: StoredEntry, wish: ModelWish): Promise<StoredEntry> {
  if (wish.sha256 !== undefined && entry.sha256 !== wish.sha256.toLowerCase()) throw differs(wish, entry.sha256)
  return entry
}

function tooSlow(address: string, fetchMs: number): WaggleError {
  return away(address, new Error(`it has not come within ${fetchMs / 1000} s`))
}

function differs({ address, sha256 }: ModelWish, found: string | null): WaggleError {
  return new WaggleError('WAGGLE_MODEL_DIFFERS', {
    message: `${shownAddress(address)} has the SHA-256 ${found}, and the spec names ${sha256}`,
    next: 'Correct sha256 in the bee’s spec if this is the model that you mean. Else somebody has changed the model.',
  })
}

/** The time limit of a look-up. It is long enough for a list of ten thousand keys. */
const lookMs = 120_000
const usualStallMs = 30_000
const usualFetchMs = 3_600_000
/** At least this many bytes must arrive in each `stallMs`, so that a server that sends single bytes is given up. */
const leastBytes = 32 * 1024
/** After this many failures in a row without any byte, an older version on this disk is used. */
const patience = 3
const firstWaitMs = 1000
const longestWaitMs = 60_000
const otherDisk = 'WAGGLE_DATA_DIR sets the data directory, which has the cache of models.'
