import { longBytes, readLong } from '../../topology/number-bytes.ts'
import { noHeaders } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { KeptStore, VersionedKeyValueStore, VersionedRecord } from '../../topology/state-store.ts'
import type { ChangelogRecord } from '../ports.ts'
import type { KeptNumber } from './task-memory.ts'
import type { StoreOptions, WriteBackStore } from './write-back-store.ts'

/** A version of a key. A null value means that the key was deleted. */
export interface Version {
  readonly value: unknown
  readonly timestamp: number
  /** The time of the next version; null for the latest version. */
  readonly validTo: number | null
}

export interface VersionsAsked {
  readonly from: number
  readonly to: number
  readonly oldestFirst: boolean
}

export type Put = 'latest' | 'outdated' | 'expired'

/**
 * Every version of a key that was valid within the retention (KIP-889). Keys of rows are:
 *
 *     latest:  0 │ key
 *     earlier: 1 │ segment of validTo i64 │ length of key i32 │ key │ timestamp i64
 *
 * Earlier versions are ordered by the end of their validity. Expired versions are deleted a whole segment at a time.
 */
export class SegmentedVersionedStore<K, V> implements VersionedKeyValueStore<K, V> {
  readonly name: string
  readonly persistent: boolean
  readonly #rows: WriteBackStore<Uint8Array, Version>
  readonly #keys: Serde<K>
  readonly #values: Serde<V>
  readonly #topic: string
  readonly #retentionMs: number
  readonly #segmentMs: number
  readonly #streamTime: KeptNumber
  readonly #onExpired: () => void
  #dropped = 0
  readonly #keepsLog: boolean
  #logged: ChangelogRecord[] = []

  constructor(
    builder: KeptStore,
    rows: WriteBackStore<Uint8Array, Version>,
    { topic, memory, keepsLog = false, onExpired = () => {} }: StoreOptions,
  ) {
    this.name = builder.name
    this.persistent = builder.persistent
    this.#rows = rows
    this.#keys = builder.key as unknown as Serde<K>
    this.#values = builder.value as unknown as Serde<V>
    this.#topic = topic
    this.#keepsLog = keepsLog
    this.#retentionMs = builder.retentionMs ?? Number.MAX_SAFE_INTEGER
    this.#segmentMs = versionSegmentMsOf(this.#retentionMs)
    this.#streamTime = memory.kept(`${builder.name}.time`, 'learnt')
    this.#onExpired = onExpired
  }

  get(key: K, asOf?: number): VersionedRecord<V> | null {
    const bytes = this.#keys.serialize(this.#topic, key)
    const latest = this.#rows.get(latestRow(bytes))
    if (asOf === undefined || (latest !== null && latest.timestamp <= asOf)) return found(latest)
    // No version has a time before 0. The bytes of a negative time would sort behind all others.
    if (asOf < Math.max(0, this.#streamTime.value - this.#retentionMs)) return null
    for (let segment = this.#segmentOf(asOf); segment <= this.#segmentOf(this.#streamTime.value); segment++) {
      const version = this.#lastBefore(segment, bytes, asOf)
      if (version !== null && version.validTo !== null && version.validTo > asOf) return found(version)
    }
    return null
  }

  /** Versions that were valid at some time between `from` and `to`, newest first, or with `oldestFirst` oldest first. Deletions are left out. */
  *versions(key: K, { from, to, oldestFirst }: VersionsAsked): IterableIterator<VersionedRecord<V>> {
    const bytes = this.#keys.serialize(this.#topic, key)
    const latest = this.#rows.get(latestRow(bytes))
    const newest = latest === null || latest.timestamp > to ? null : found<V>(latest)
    if (newest !== null && !oldestFirst) yield newest
    // As in `get`, with one exception: a time before the history finds no version, not even the latest.
    if (to >= Math.max(0, this.#streamTime.value - this.#retentionMs)) {
      const segments: number[] = []
      for (let segment = Math.max(this.#live, this.#segmentOf(from)); segment <= this.#segmentOf(this.#streamTime.value); segment++)
        segments.push(segment)
      for (const segment of oldestFirst ? segments : segments.reverse()) {
        const low = earlierPrefix(segment, bytes)
        const high = Buffer.concat([low, longBytes(Math.min(Math.floor(to), Number.MAX_SAFE_INTEGER) + 1)])
        for (const [, version] of this.#rows.between(low, high, !oldestFirst)) {
          const earlier = version.validTo !== null && version.validTo > from ? found<V>(version) : null
          if (earlier !== null) yield earlier
        }
      }
    }
    if (newest !== null && oldestFirst) yield newest
  }

  put(key: K, value: V | null, timestamp: number): void {
    this.putVersion(key, value, timestamp)
  }

  delete(key: K, timestamp: number): VersionedRecord<V> | null {
    if (this.#isExpired(timestamp)) return null
    const before = this.get(key, timestamp)
    this.putVersion(key, null, timestamp)
    return before
  }

  /** Puts a version. Returns `latest`, `outdated` if a newer version exists, or `expired` if it is older than the history. */
  putVersion(key: K, value: V | null, timestamp: number): Put {
    if (this.#isExpired(timestamp)) return 'expired'
    if (timestamp > this.#streamTime.value) {
      this.#streamTime.value = timestamp
      this.#dropExpired()
    }
    const bytes = this.#keys.serialize(this.#topic, key)
    if (this.#keepsLog) this.#log(bytes, value, timestamp)
    const latest = this.#rows.get(latestRow(bytes))
    if (latest === null || timestamp >= latest.timestamp) {
      if (latest !== null && timestamp > latest.timestamp) this.#putEarlier(bytes, { ...latest, validTo: timestamp })
      const isForgotten = value === null && latest?.timestamp === timestamp && latest.value !== null && !this.#hasEarlierUpTo(bytes, timestamp)
      this.#rows.put(latestRow(bytes), isForgotten ? null : { value, timestamp, validTo: null })
      return 'latest'
    }
    this.#insert(bytes, value, timestamp, latest.timestamp)
    return 'outdated'
  }

  /** True for a put at a time before the history. Such a put counts as expired. */
  #isExpired(timestamp: number): boolean {
    const isExpired = timestamp < this.#streamTime.value - this.#retentionMs
    if (isExpired) this.#onExpired()
    return isExpired
  }

  /**
   * The puts since the last call. The changelog contains versions in the order of their puts. Waggle and Kafka Streams both make their rows from such
   * a changelog.
   */
  takeLogged(): readonly ChangelogRecord[] {
    const logged = this.#logged
    this.#logged = []
    return logged
  }

  #log(key: Uint8Array, value: V | null, timestamp: number): void {
    const bytes = value === null ? null : this.#values.serialize(this.#topic, value)
    this.#logged.push({ key, value: bytes, timestamp, headers: noHeaders })
  }

  /**
   * True if an earlier version was valid up to this time. Kafka Streams remembers a deletion only as the end of the version before it. So a version
   * that is deleted at its own time leaves no trace, if it is the only version. A later put with an earlier time then becomes the latest version.
   */
  #hasEarlierUpTo(key: Uint8Array, timestamp: number): boolean {
    return this.#lastBefore(this.#segmentOf(timestamp), key, timestamp - 1)?.validTo === timestamp
  }

  /** Inserts a version between two others. The version before the new one then ends where the new one begins. */
  #insert(key: Uint8Array, value: V | null, timestamp: number, latestFrom: number): void {
    let validTo = latestFrom
    for (let segment = this.#segmentOf(timestamp); segment <= this.#segmentOf(this.#streamTime.value); segment++) {
      const before = this.#lastBefore(segment, key, timestamp)
      if (before !== null && before.validTo !== null && before.validTo > timestamp) {
        this.#rows.put(this.#earlierRow(key, before.validTo, before.timestamp), null)
        if (before.timestamp < timestamp) this.#putEarlier(key, { ...before, validTo: timestamp })
        validTo = before.validTo
        break
      }
      const next = this.#firstAfter(segment, key, timestamp)
      if (next !== null && next.timestamp < validTo) validTo = next.timestamp
    }
    this.#putEarlier(key, { value, timestamp, validTo })
  }

  #putEarlier(key: Uint8Array, version: Version & { readonly validTo: number }): void {
    if (this.#segmentOf(version.validTo) < this.#live) return
    this.#rows.put(this.#earlierRow(key, version.validTo, version.timestamp), version)
  }

  /** The last version in a segment that began at or before `timestamp`. */
  #lastBefore(segment: number, key: Uint8Array, timestamp: number): Version | null {
    const low = earlierPrefix(segment, key)
    for (const [, version] of this.#rows.between(low, Buffer.concat([low, longBytes(timestamp + 1)]), true)) return version
    return null
  }

  #firstAfter(segment: number, key: Uint8Array, timestamp: number): Version | null {
    const low = earlierPrefix(segment, key)
    for (const [, version] of this.#rows.between(Buffer.concat([low, longBytes(timestamp + 1)]), Buffer.concat([low, allOnes]), false)) return version
    return null
  }

  #earlierRow(key: Uint8Array, validTo: number, timestamp: number): Uint8Array {
    return Buffer.concat([earlierPrefix(this.#segmentOf(validTo), key), longBytes(timestamp)])
  }

  #segmentOf(timestamp: number): number {
    return Math.max(0, Math.floor(timestamp / this.#segmentMs))
  }

  get #live(): number {
    return this.#segmentOf(this.#streamTime.value - this.#retentionMs)
  }

  #dropExpired(): void {
    const live = this.#live
    if (live <= this.#dropped) return
    this.#dropped = live
    for (const [row] of this.#rows.between(Buffer.of(1), Buffer.concat([Buffer.of(1), longBytes(live)]), false)) this.#rows.expire(row)
  }
}

/** Layout: `timestamp i64 │ validTo i64, -1 for none │ 0, or 1 and the value`. */
export function versionSerde(value: Serde<unknown>): Serde<Version> {
  return {
    serialize(topic, version) {
      const head = Buffer.concat([longBytes(version.timestamp), longBytes(version.validTo ?? -1)])
      return version.value === null ? Buffer.concat([head, absent]) : Buffer.concat([head, present, value.serialize(topic, version.value)])
    },
    deserialize(topic, data) {
      const validTo = readLong(data, 8)
      return {
        timestamp: readLong(data, 0),
        validTo: validTo < 0 ? null : validTo,
        value: data[16] === 0 ? null : value.deserialize(topic, data.subarray(17)),
      }
    },
  }
}

const absent = Buffer.of(0)
const present = Buffer.of(1)
const allOnes = Buffer.alloc(8, 0xff)

function found<V>(version: Version | null): VersionedRecord<V> | null {
  return version === null || version.value === null ? null : (version as Version & { readonly value: V })
}

function latestRow(key: Uint8Array): Uint8Array {
  return Buffer.concat([absent, key])
}

function earlierPrefix(segment: number, key: Uint8Array): Uint8Array {
  const head = Buffer.allocUnsafe(13)
  head[0] = 1
  head.set(longBytes(segment), 1)
  head.writeInt32BE(key.length, 9)
  return Buffer.concat([head, key])
}

/** Segment length as in Kafka Streams: a shorter retention has shorter segments. */
function versionSegmentMsOf(retentionMs: number): number {
  if (retentionMs <= 60_000) return Math.max(Math.floor(retentionMs / 3), 2000)
  if (retentionMs <= 300_000) return Math.max(Math.floor(retentionMs / 5), 20_000)
  if (retentionMs <= 3_600_000) return Math.max(Math.floor(retentionMs / 12), 60_000)
  return Math.max(Math.floor(retentionMs / 24), 300_000)
}
