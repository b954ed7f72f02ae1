import type { Change, Suppress } from '../../../topology/operators/streams.ts'
import type { Record, Windowed } from '../../../topology/record.ts'
import type { Suppressed } from '../../../topology/streams/suppress-serdes.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { WriteBackStore } from '../../state/write-back-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Buffered = WriteBackStore<unknown, Suppressed>

/** One waiting update's place in the order in which they leave: by time, then by the bytes of its key. */
interface Place {
  readonly time: number
  readonly key: unknown
  readonly keyBytes: Uint8Array
  /** When it came. */
  readonly bytes: number
}

/** Holds back a table's updates, the newest a key, until their time has come or the buffer is full. KIP-328. */
export class SuppressProcessor extends StoredProcessor {
  readonly #operator: Suppress
  #buffer: Buffered | null = null
  #places: Place[] = []
  #bytes = 0

  constructor(operator: Suppress) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#buffer = this.store<Buffered>(this.#operator.store)
    for (const [key, held] of this.#buffer.all()) this.#insert(key, held)
  }

  process(record: Record<unknown, unknown>): void {
    this.time.advance(record.timestamp)
    this.#hold(record)
    const { timeLimitMs, graceMs, maxRecords, maxBytes, whenFull } = this.#operator
    const expired = this.time.now - (timeLimitMs ?? graceMs)
    while (this.#places[0] !== undefined && this.#places[0].time <= expired) this.#emitOldest()
    const overCapacity = () => this.#places.length > maxRecords || this.#bytes > maxBytes
    if (!overCapacity()) return
    if (whenFull === 'shutDown') {
      throw new WaggleError('WAGGLE_BUFFER_FULL', {
        message: `${this.#operator.store} holds ${this.#places.length} records and ${this.#bytes} bytes, more than it may`,
        next: 'Raise maxRecords or maxBytes, or let it emit early when full.',
      })
    }
    while (overCapacity() && this.#places.length > 0) this.#emitOldest()
  }

  #hold(record: Record<unknown, unknown>): void {
    const buffer = this.#buffer
    if (buffer === null) return
    const { key, timestamp, headers } = record
    const before = buffer.get(key)
    const time = before?.time ?? (this.#operator.timeLimitMs === null ? (key as Windowed<unknown>).window.end : timestamp)
    const change = record.value as Change<unknown>
    const held = { time, timestamp, change, prior: before === null ? change.oldValue : before.prior, headers }
    buffer.put(key, held)
    if (before === null) this.#insert(key, held)
  }

  #insert(key: unknown, held: Suppressed): void {
    const { key: keyBytes, bytes } = this.#buffer?.encoded(key, held) ?? { key: none, bytes: 0 }
    const place = { time: held.time, key, keyBytes, bytes }
    let low = 0
    for (let high = this.#places.length; low < high; ) {
      const middle = (low + high) >> 1
      if (inOrder(this.#places[middle] ?? place, place) < 0) low = middle + 1
      else high = middle
    }
    this.#places.splice(low, 0, place)
    this.#bytes += bytes
  }

  /** It leaves the buffer after it has gone on: a join behind it that looks it up here still sees what was there before. */
  #emitOldest(): void {
    const [place] = this.#places
    if (place === undefined || this.#buffer === null) return
    const held = this.#buffer.get(place.key)
    // What never went on needs no taking back.
    if (held !== null && (held.change.newValue !== null || this.#operator.timeLimitMs !== null)) {
      this.context.forward({ key: place.key, value: held.change, timestamp: held.timestamp, headers: held.headers })
    }
    this.#buffer.put(place.key, null)
    this.#places.shift()
    this.#bytes -= place.bytes
  }
}

const none = new Uint8Array(0)

function inOrder(a: Place, b: Place): number {
  return a.time - b.time || Buffer.compare(a.keyBytes, b.keyBytes)
}
