import type { Change, Suppress } from '../../../topology/operators/streams-operators.ts'
import type { Record, RecordMetadata, Windowed } from '../../../topology/record.ts'
import type { Serde } from '../../../topology/serde.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import { type Suppressed, suppressedBytes } from '../../../topology/streams/suppress-serdes.ts'
import { changelogTopic } from '../../../topology/topic-names.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { Heap } from '../../heap.ts'
import type { Sensor } from '../../metrics/sensor.ts'
import type { BufferMeters } from '../../metrics/task-meters.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { StoredProcessor } from './stored-processor.ts'

type Buffered = KeyValueStore<unknown, Suppressed>

/** The place of a held update in the order of emission: by time, then by the bytes of its key. */
interface Place {
  readonly time: number
  readonly key: unknown
  readonly keyBytes: Uint8Array
}

/**
 * Holds a table's updates back, and keeps only the newest update of each key (KIP-328). An update is emitted when its time has come or when the
 * buffer is full.
 */
export class SuppressProcessor extends StoredProcessor {
  readonly #operator: Suppress
  #buffer: Buffered | null = null
  #topic = ''
  readonly #places = new Heap<Place>(inOrder)
  /** Bytes as Kafka Streams counts them. Counting serialises each update, so bytes are counted only in a buffer with a byte limit. */
  #bytes = 0
  #streamTime: KeptNumber = { value: -1 }
  #meters: { readonly buffer: BufferMeters; readonly emit: Sensor } | null = null

  constructor(operator: Suppress) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#topic = changelogTopic(this.context.applicationId, this.#operator.store)
    this.#buffer = this.store<Buffered>(this.#operator.store)
    this.#streamTime = this.context.kept('time', 'forgettable')
    for (const [key, held] of this.#buffer.all()) {
      const keyBytes = this.#keyBytes(key)
      this.#places.add({ time: held.time, key, keyBytes })
      this.#bytes += this.#sizeOf(keyBytes, held)
    }
    this.#meters = { buffer: this.context.bufferMeters(this.#operator.store), emit: this.context.meters.suppressionEmit }
    this.#measure()
  }

  process(record: Record<unknown, unknown>): void {
    this.#streamTime.value = Math.max(this.#streamTime.value, record.timestamp)
    this.#hold(record)
    this.#measure()
    const before = this.#places.size
    const { timeLimitMs, graceMs, maxRecords, maxBytes, whenFull } = this.#operator
    const expired = this.#streamTime.value - (timeLimitMs ?? graceMs)
    for (let oldest = this.#places.least; oldest !== undefined && oldest.time <= expired; oldest = this.#places.least) this.#emitOldest()
    const overCapacity = () => this.#places.size > maxRecords || this.#bytes > maxBytes
    if (overCapacity()) {
      if (whenFull === 'shutDown') throw this.#full()
      while (overCapacity() && this.#places.size > 0) this.#emitOldest()
    }
    if (this.#places.size < before) this.#measure()
  }

  #hold(record: Record<unknown, unknown>): void {
    const buffer = this.#buffer
    if (buffer === null) return
    const { key, timestamp, headers } = record
    const before = buffer.get(key)
    const time = before?.time ?? (this.#operator.timeLimitMs === null ? (key as Windowed<unknown>).window.end : timestamp)
    const change = record.value as Change<unknown>
    const prior = before === null ? change.oldValue : before.prior
    const held = { time, timestamp, metadata: this.context.recordMetadata ?? nowhere, change, prior, headers }
    buffer.put(key, held)
    if (before !== null && !this.#countsBytes) return
    const keyBytes = this.#keyBytes(key)
    this.#bytes += this.#sizeOf(keyBytes, held) - (before === null ? 0 : this.#sizeOf(keyBytes, before))
    if (before === null) this.#places.add({ time, key, keyBytes })
  }

  /**
   * Forwards the oldest update, and deletes it only afterwards. While the update is forwarded, a join may look up its key here, and must still find
   * the earlier value.
   */
  #emitOldest(): void {
    const place = this.#places.least
    if (place === undefined || this.#buffer === null) return
    const held = this.#buffer.get(place.key)
    // The deletion of a value that was never forwarded is dropped.
    if (held !== null && (held.change.newValue !== null || this.#operator.timeLimitMs !== null)) {
      const { timestamp, headers, metadata } = held
      this.context.forwardFrom(metadata, { key: place.key, value: held.change, timestamp, headers })
      this.#meters?.emit.record(1)
    }
    this.#buffer.put(place.key, null)
    this.#places.take()
    if (held !== null) this.#bytes -= this.#sizeOf(place.keyBytes, held)
  }

  get #countsBytes(): boolean {
    return this.#operator.maxBytes < Number.POSITIVE_INFINITY
  }

  #sizeOf(keyBytes: Uint8Array, held: Suppressed): number {
    if (!this.#countsBytes) return 0
    return suppressedBytes(this.#operator.serdes.value as unknown as Serde<unknown>, this.#topic, keyBytes, held)
  }

  #keyBytes(key: unknown): Uint8Array {
    return (this.#operator.serdes.key as unknown as Serde<unknown>).serialize(this.#topic, key)
  }

  #measure(): void {
    this.#meters?.buffer.count.record(this.#places.size)
    if (this.#countsBytes) this.#meters?.buffer.sizeBytes.record(this.#bytes)
  }

  #full(): WaggleError {
    const { store, maxRecords, maxBytes } = this.#operator
    return new WaggleError('WAGGLE_BUFFER_FULL', {
      message: `${store} holds ${this.#places.size} of ${maxRecords} records and ${this.#bytes} of ${maxBytes} bytes, which is more than its limits`,
      next: 'Raise maxRecords or maxBytes, or let the buffer emit early when it is full.',
    })
  }
}

/** The metadata of a record that a punctuation made. */
const nowhere: RecordMetadata = { topic: '', partition: -1, offset: -1n }

function inOrder(a: Place, b: Place): number {
  return a.time - b.time || Buffer.compare(a.keyBytes, b.keyBytes)
}
