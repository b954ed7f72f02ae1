import type { Header, Record, Windowed } from '../../topology/record.ts'
import type { Serializer } from '../../topology/serde.ts'
import type { KeptStore } from '../../topology/state-store.ts'
import type { TableUpdate } from '../operators/operator-context.ts'
import type { LogRecord } from '../ports.ts'
import type { CurrentRecord } from './current-record.ts'

/** Limits the bytes that the tables of one thread hold back together. */
export class CacheBudget {
  readonly maxBytes: number
  bytes = 0

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }
}

/**
 * Holds a table's updates back until a commit, and keeps only the newest update of each key. So downstream steps compute once a commit instead of
 * once a record (Kafka Streams' record cache). The store already has the values. Keys are forwarded in the order of their last updates. When the
 * budget is spent, all updates are forwarded.
 */
export class TableCache {
  readonly #store: KeptStore
  readonly #budget: CacheBudget
  readonly #current: CurrentRecord
  #waiting = new Map<string, Waiting>()
  #forward: (record: Record<unknown, unknown>) => void = () => {}
  #sendsOld: () => boolean = () => false
  #bytes = 0

  constructor(store: KeptStore, budget: CacheBudget, current: CurrentRecord) {
    this.#store = store
    this.#budget = budget
    this.#current = current
  }

  /**
   * Sets the receiver of updates. If several nodes write one table (a cogroup), the receiver of the last node counts, because all of them have the
   * same next step.
   */
  listen(forward: (record: Record<unknown, unknown>) => void, sendsOld: () => boolean): void {
    this.#forward = forward
    this.#sendsOld = sendsOld
  }

  put({ key, change, timestamp, removedAt, headers, before }: TableUpdate): void {
    const id = this.#idOf(key)
    const waiting = this.#waiting.get(id)
    // The key moves behind the other keys. Keys are forwarded in the order of their last updates.
    if (waiting !== undefined) this.#waiting.delete(id)
    const bytes = waiting?.bytes ?? id.length + entryBytes + this.#sizeOf(change.newValue)
    this.#waiting.set(id, {
      key,
      oldValue: waiting === undefined ? before : waiting.oldValue,
      newValue: change.newValue,
      timestamp: change.newValue === null ? removedAt : timestamp,
      headers,
      bytes,
      partitionIndex: this.#current.partitionIndex,
      read: this.#current.record,
    })
    if (waiting !== undefined) return
    this.#bytes += bytes
    this.#budget.bytes += bytes
    if (this.#budget.bytes > this.#budget.maxBytes) this.flush()
  }

  /** Forwards the updates. A row that was put and deleted between two flushes is skipped. */
  flush(): void {
    if (this.#waiting.size === 0) return
    const { partitionIndex, record, isReplay } = this.#current
    const leaving = this.#waiting
    this.discard()
    for (const { key, oldValue, newValue, timestamp, headers, partitionIndex: index, read } of leaving.values()) {
      if (newValue === null && oldValue === null) continue
      if (read === null) this.#current.leave()
      else this.#current.enter(index, read, false)
      this.#forward({ key, value: { newValue, oldValue: this.#sendsOld() ? oldValue : null }, timestamp, headers })
    }
    if (record === null) this.#current.leave()
    else this.#current.enter(partitionIndex, record, isReplay)
  }

  discard(): void {
    this.#budget.bytes -= this.#bytes
    this.#bytes = 0
    this.#waiting = new Map()
  }

  /** An id that is equal for equal keys, in the sense of the store. */
  #idOf(key: unknown): string {
    if (this.#store.kind === 'keyValue') return this.#plainIdOf(key)
    const { key: within, window } = key as Windowed<unknown>
    return `${window.start},${window.end},${this.#plainIdOf(within)}`
  }

  /** The key itself if it is a text or a number; otherwise the bytes of the key. */
  #plainIdOf(key: unknown): string {
    if (typeof key === 'string') return key
    if (typeof key === 'number') return String(key)
    return Buffer.from((this.#store.key as unknown as Serializer<unknown>).serialize(this.#store.name, key)).toString('latin1')
  }

  /** The approximate size of a value. A value that is neither a text nor a plain number counts with its serialised size. */
  #sizeOf(value: unknown): number {
    if (value === null) return 0
    if (typeof value === 'string') return value.length
    if (typeof value !== 'object') return 8
    const row = this.#store.timestamped ? { value, timestamp: 0 } : value
    return (this.#store.value as unknown as Serializer<unknown>).serialize(this.#store.name, row).length
  }
}

interface Waiting {
  readonly key: unknown
  /** The old value that downstream steps know. */
  readonly oldValue: unknown
  readonly newValue: unknown
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly bytes: number
  readonly partitionIndex: number
  readonly read: LogRecord | null
}

const entryBytes = 100
