import type { SlidingAggregate } from '../../../topology/operators/streams-operators.ts'
import type { Header, Record } from '../../../topology/record.ts'
import { type StoredWindows, WindowedProcessor, type WindowRow } from './windowed-processor.ts'

/** The existing windows around a record, from which the missing windows are made. */
interface Around {
  readonly starts: Set<number>
  /** The row of the newest window that ends before the record. */
  left: WindowRow | null
  /** The row of a window that contains the record and a later one. */
  right: WindowRow | null
  hasLeft: boolean
  hasRight: boolean
  /** The time of the newest record before this one. */
  previous: number | null
}

/**
 * Sliding windows (KIP-450). A record belongs to each window around it. A record may also create three windows. The first ends with the record (the
 * record's left window). The second starts right after the record, if it contains another record (the record's right window). The third is the right
 * window of the previous record.
 */
export class SlidingAggregateProcessor extends WindowedProcessor<SlidingAggregate> {
  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    const stored = this.windows
    if (key === null || value === null || stored === null) {
      this.drop()
      return
    }
    const { timeDifferenceMs } = this.operator.windows
    this.advanceTo(timestamp)
    const { closeTime } = this
    if (timestamp + timeDifferenceMs < closeTime) {
      this.drop()
      return
    }
    if (timestamp < timeDifferenceMs) {
      this.#processEarly(record, stored, closeTime)
      return
    }
    this.#processBackwards(record, stored, closeTime)
    this.processed(record)
  }

  protected override emitClosed(headers: readonly Header[]): void {
    const { timeDifferenceMs } = this.operator.windows
    const { closeTime } = this
    if (this.windows === null) return
    this.emission?.closed(headers, this.windows, closeTime, (lastClose) => ({
      from: lastClose === -1 ? 0 : Math.max(0, lastClose - timeDifferenceMs),
      to: closeTime - timeDifferenceMs - 1,
    }))
  }

  #processBackwards(record: Record<unknown, unknown>, stored: StoredWindows, closeTime: number): void {
    const { timeDifferenceMs } = this.operator.windows
    const { key, timestamp } = record
    const around: Around = { starts: new Set(), left: null, right: null, hasLeft: false, hasRight: false, previous: null }
    const windows = [...stored.fetchOrdered(key, Math.max(0, timestamp - 2 * timeDifferenceMs), timestamp + 1, true)]
    for (const [start, row] of windows) {
      around.starts.add(start)
      const end = start + timeDifferenceMs
      if (start === timestamp + 1) around.hasRight = true
      else if (end > timestamp) {
        around.right ??= row
        this.#update(start, row, record, closeTime)
      } else if (end === timestamp) {
        around.hasLeft = true
        this.#update(start, row, record, closeTime)
        if (row.timestamp >= timestamp) return
        around.previous = row.timestamp
      } else {
        around.left = row
        around.previous = row.timestamp
        break
      }
    }
    this.#create(record, around, closeTime)
  }

  #create(record: Record<unknown, unknown>, { starts, left, right, hasLeft, hasRight, previous }: Around, closeTime: number): void {
    const { timeDifferenceMs } = this.operator.windows
    const { timestamp } = record
    if (previous !== null && !starts.has(previous + 1) && previous + 1 + timeDifferenceMs >= timestamp)
      this.#update(previous + 1, null, record, closeTime)
    if (!hasLeft) {
      const holdsPrevious = previous !== null && timestamp - timeDifferenceMs <= previous
      this.#update(timestamp - timeDifferenceMs, holdsPrevious && left !== null ? { value: left.value, timestamp } : null, record, closeTime)
    }
    if (!hasRight && right !== null && right.timestamp > timestamp) this.#putRight(record, right)
  }

  /** Handles an early record. Windows cannot start before 0, so all early records share one window, from 0 to the time difference. */
  #processEarly(record: Record<unknown, unknown>, stored: StoredWindows, closeTime: number): void {
    const { key, timestamp } = record
    const starts = new Set<number>()
    let combined: WindowRow | null = null
    let right: WindowRow | null = null
    let hasRight = false
    let previous: number | null = null
    for (const [start, row] of [...stored.fetchOrdered(key, 0, timestamp + 1, false)]) {
      starts.add(start)
      if (start === 0) {
        combined = row
        if (row.timestamp < timestamp) previous = row.timestamp
      } else if (start <= timestamp) {
        right = row
        this.#update(start, row, record, closeTime)
      } else hasRight = true
    }
    if (right === null && combined !== null && combined.timestamp > timestamp) right = combined
    if (!hasRight && right !== null && right.timestamp > timestamp) this.#putRight(record, right)
    if (previous !== null && !starts.has(previous + 1)) this.#update(previous + 1, null, record, closeTime)
    this.#update(0, combined, record, closeTime)
  }

  /**
   * Creates the record's right window. The value of `right` is the aggregate of the records after this one, which is the aggregate of the new window.
   */
  #putRight(record: Record<unknown, unknown>, right: WindowRow): void {
    const start = record.timestamp + 1
    this.windows?.put(record.key, right, start)
    this.emission?.update(record, this.#window(start), null, null, right.value, right.timestamp)
  }

  /** Updates a window. `before` is null for a new window. */
  #update(start: number, before: WindowRow | null, record: Record<unknown, unknown>, closeTime: number): void {
    const window = this.#window(start)
    if (window.end < closeTime) {
      this.drop()
      return
    }
    const { initialize, add } = this.operator
    const oldAggregate = before === null ? initialize() : before.value
    const newValue = add(record.key, record.value, oldAggregate)
    const timestamp = before === null ? record.timestamp : Math.max(record.timestamp, before.timestamp)
    this.windows?.put(record.key, newValue === null ? null : { value: newValue, timestamp }, start)
    this.emission?.update(record, window, before?.value ?? null, oldAggregate, newValue, timestamp)
  }

  #window(start: number): { readonly start: number; readonly end: number } {
    return { start, end: start + this.operator.windows.timeDifferenceMs }
  }
}
