import type { Change, Suppress } from '../../../topology/operators/streams.ts'
import type { Record, Windowed } from '../../../topology/record.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import type { Suppressed } from '../../../topology/streams/suppress-serdes.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { StoredProcessor } from './stored-processor.ts'

type Buffered = KeyValueStore<unknown, Suppressed>

/** One waiting update's place in the order in which they leave: by time, then by the bytes of its key. */
interface Place {
  readonly time: number
  readonly key: unknown
  readonly order: number
  size: number
}

/** Holds back a table's updates, the newest a key, until their time has come or the buffer is full. KIP-328. */
export class SuppressProcessor extends StoredProcessor {
  readonly #operator: Suppress
  #buffer: Buffered | null = null
  #places: Place[] = []
  #bytes = 0
  #streamTime = -1

  constructor(operator: Suppress) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#buffer = this.store<Buffered>(this.#operator.store)
    let order = 0
    for (const [key, { time }] of this.#buffer.all()) this.#places.push({ time, key, order: order++, size: 0 })
    this.#places.sort(byTime)
  }

  process(record: Record<unknown, unknown>): void {
    this.#streamTime = Math.max(this.#streamTime, record.timestamp)
    this.#hold(record)
    const { timeLimitMs, graceMs, maxRecords, maxBytes, whenFull } = this.#operator
    const expired = this.#streamTime - (timeLimitMs ?? graceMs)
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
    buffer.put(key, { time, timestamp, change: record.value as Change<unknown>, headers })
    if (before === null) this.#insert({ time, key, order: 0, size: 0 })
  }

  #insert(place: Place): void {
    let at = this.#places.length
    while (at > 0 && (this.#places[at - 1]?.time ?? 0) > place.time) at--
    this.#places.splice(at, 0, place)
  }

  #emitOldest(): void {
    const place = this.#places.shift()
    if (place === undefined || this.#buffer === null) return
    const held = this.#buffer.get(place.key)
    this.#buffer.put(place.key, null)
    if (held === null) return
    const { change, timestamp, headers } = held
    // What never went on needs no taking back.
    if (change.newValue === null && this.#operator.timeLimitMs === null) return
    this.context.forward({ key: place.key, value: change, timestamp, headers })
  }
}

function byTime(a: Place, b: Place): number {
  return a.time - b.time || a.order - b.order
}
