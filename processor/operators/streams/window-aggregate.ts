import { isDeepStrictEqual } from 'node:util'
import type { WindowAggregate } from '../../../topology/operators/streams-operators.ts'
import type { Header, Record } from '../../../topology/record.ts'
import { WindowedProcessor } from './windowed-processor.ts'

/** Tumbling, hopping and unlimited windows. */
export class WindowAggregateProcessor extends WindowedProcessor<WindowAggregate> {
  override open(): void {
    super.open()
    this.#holdUnemitted()
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    const { windows: stored, emission } = this
    if (key === null || stored === null || emission === null) {
      this.drop()
      return
    }
    const { windows, initialize, add } = this.operator
    this.advanceTo(timestamp)
    const { closeTime } = this
    for (const window of windows.windowsFor(timestamp)) {
      if (window.end <= closeTime) {
        this.drop()
        continue
      }
      const before = stored.fetch(key, window.start)
      const oldAggregate = before === null ? initialize() : before.value
      const newTimestamp = before === null ? timestamp : Math.max(timestamp, before.timestamp)
      const newValue = add(key, value, oldAggregate)
      stored.put(key, newValue === null ? null : { value: newValue, timestamp: newTimestamp }, window.start)
      emission.update(record, window, before?.value ?? null, oldAggregate, newValue, newTimestamp)
    }
    this.processed(record)
  }

  protected override emitClosed(headers: readonly Header[]): void {
    const { closeTime } = this
    if (this.windows !== null) this.emission?.closed(headers, this.windows, closeTime, (lastClose) => this.#closing(lastClose, closeTime))
    this.#holdUnemitted()
  }

  /** Lets the store keep rows past its retention while their windows are not emitted yet, as a cache would keep them. */
  #holdUnemitted(): void {
    const { windows, emitOnClose } = this.operator
    if (!emitOnClose || !this.emission?.isCached) return
    const { lastClose } = this.emission
    this.windows?.holdFrom(lastClose === -1 ? 0 : lastClose - windows.sizeMs)
  }

  #closing(lastClose: number, closeTime: number): { readonly from: number; readonly to: number } | null {
    const { windows } = this.operator
    const to = closeTime - windows.sizeMs
    const from = lastClose === -1 ? 0 : Math.max(0, lastClose - windows.sizeMs) + 1
    const nothingNew = lastClose !== -1 && to >= 0 && isDeepStrictEqual(windows.windowsFor(to), windows.windowsFor(from - 1))
    return nothingNew ? null : { from, to }
  }
}
