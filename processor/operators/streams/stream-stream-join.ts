import type { StreamStreamJoin } from '../../../topology/operators/streams-operators.ts'
import type { Header, Record } from '../../../topology/record.ts'
import type { KeyValueStore, WindowStore } from '../../../topology/state-store.ts'
import type { WaitingKey, WaitingValue } from '../../../topology/streams/outer-join-serdes.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { EmitSchedule } from './emit-schedule.ts'
import { StoredProcessor } from './stored-processor.ts'

/** The stream time and the oldest waiting record, which both sides of a join share. */
class JoinTime {
  readonly streamTime: KeptNumber
  /** The timestamp of the oldest known waiting record. */
  oldestWaiting = Number.POSITIVE_INFINITY

  constructor(streamTime: KeptNumber) {
    this.streamTime = streamTime
  }
}

/** One side of a join of two streams. In an outer join, a record without a match waits until its window has closed (KIP-633). */
export class StreamStreamJoinProcessor extends StoredProcessor {
  readonly #operator: StreamStreamJoin
  #time = new JoinTime({ value: -1 })
  #others: WindowStore<unknown, unknown> | null = null
  #waiting: KeyValueStore<WaitingKey, readonly WaitingValue[]> | null = null
  #schedule: EmitSchedule | null = null

  constructor(operator: StreamStreamJoin) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { shared, otherStore, outerStore } = this.#operator
    this.#time = this.context.shared(shared, () => new JoinTime(outerStore === null ? { value: -1 } : this.context.kept('time', 'forgettable')))
    this.#others = this.store(otherStore)
    if (outerStore === null) return
    this.#waiting = this.store(outerStore)
    // After a restart the store has the waiting records.
    for (const [{ timestamp }] of this.#waiting.all()) {
      this.#time.oldestWaiting = Math.min(this.#time.oldestWaiting, timestamp)
      break
    }
    this.#schedule = new EmitSchedule(this.context, (headers) => this.#emitClosed(headers))
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    const { beforeMs, afterMs, outer, isLeft } = this.#operator
    const time = this.#time
    time.streamTime.value = Math.max(time.streamTime.value, timestamp)
    if (outer && key === null && value !== null) {
      this.#emit(record, key, value, null, timestamp)
      return
    }
    if (key === null || value === null || this.#others === null) {
      this.drop()
      return
    }
    if (timestamp === time.streamTime.value) this.#schedule?.record(record)
    const from = Math.max(0, timestamp - beforeMs)
    const to = Math.max(0, timestamp + afterMs)
    let joined = false
    for (const [otherTimestamp, otherValue] of this.#others.fetch(key, from, to)) {
      joined = true
      this.#waiting?.put({ key, isLeft: !isLeft, timestamp: otherTimestamp }, null)
      this.#emit(record, key, value, otherValue, Math.max(timestamp, otherTimestamp))
    }
    if (joined || !outer) return
    if (this.#waiting === null || to < time.streamTime.value) {
      this.#emit(record, key, value, null, timestamp)
      return
    }
    time.oldestWaiting = Math.min(time.oldestWaiting, timestamp)
    const place = { key, isLeft, timestamp }
    this.#waiting.put(place, [...(this.#waiting.get(place) ?? []), { isLeft, value }])
  }

  #emitClosed(headers: readonly Header[]): void {
    const waiting = this.#waiting
    const time = this.#time
    const { afterMs, graceMs } = this.#operator
    if (waiting === null || time.oldestWaiting + afterMs + graceMs >= time.streamTime.value) return
    time.oldestWaiting = Number.POSITIVE_INFINITY
    let leftOpen = false
    let rightOpen = false
    for (const [key, values] of waiting.all()) {
      time.oldestWaiting = key.timestamp
      if (leftOpen && rightOpen) break
      if (this.#isOpen(key)) {
        if (key.isLeft) leftOpen = true
        else rightOpen = true
        continue
      }
      for (const value of values) this.#emitAlone(headers, key, value)
      waiting.put(key, null)
    }
  }

  #isOpen({ isLeft }: WaitingKey): boolean {
    const { windowBeforeMs, windowAfterMs, graceMs } = this.#operator
    return this.#time.oldestWaiting + (isLeft ? windowAfterMs : windowBeforeMs) + graceMs >= this.#time.streamTime.value
  }

  #emitAlone(headers: readonly Header[], { key, timestamp }: WaitingKey, { isLeft, value }: WaitingValue): void {
    if (isLeft === this.#operator.isLeft) this.#emit({ headers }, key, value, null, timestamp)
    else this.#emit({ headers }, key, null, value, timestamp)
  }

  #emit({ headers }: { readonly headers: readonly Header[] }, key: unknown, own: unknown, other: unknown, timestamp: number): void {
    this.context.forward({ key, value: this.#operator.join(key, own, other), timestamp, headers })
  }
}
