import type { Header, Record, Window } from '../../../topology/record.ts'
import type { ValueAndTimestamp } from '../../../topology/state-store.ts'
import type { NodeMeters } from '../../metrics/task-meters.ts'
import type { SegmentedWindowStore } from '../../state/segmented-window-store.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import type { OperatorContext, TableUpdates } from '../operator-context.ts'

type Windows = SegmentedWindowStore<unknown, ValueAndTimestamp<unknown>>

/** Emits the results of a windowed aggregation: each update at once, or each window once when it has closed (KIP-825). */
export class WindowEmission {
  readonly #context: OperatorContext
  readonly #onClose: boolean
  readonly #sendsOld: () => boolean
  readonly #updates: TableUpdates
  readonly #lastClose: KeptNumber
  readonly #meters: NodeMeters['finalEmit']

  constructor(context: OperatorContext, store: string, onClose: boolean, sendsOld: () => boolean) {
    this.#updates = context.updates(store, sendsOld)
    this.#context = context
    this.#onClose = onClose
    this.#sendsOld = sendsOld
    this.#lastClose = context.kept('closed')
    this.#meters = context.meters.finalEmit
  }

  /** True if a cache holds updates. The cache may contain closed windows that their store has dropped already. */
  get isCached(): boolean {
    return this.#updates.areHeldBack
  }

  get lastClose(): number {
    return this.#lastClose.value
  }

  /**
   * Takes an update of a window. `before` is the window's stored value; null for a new window. `oldAggregate` is the aggregate before the update. For
   * a new window `oldAggregate` is the initial aggregate, or null for the right window of a sliding window.
   */
  update(record: Record<unknown, unknown>, window: Window, before: unknown, oldAggregate: unknown, newValue: unknown, timestamp: number): void {
    if (this.#onClose) return
    const change = { newValue, oldValue: this.#sendsOld() ? oldAggregate : null }
    this.#updates.send({ key: { key: record.key, window }, change, timestamp, removedAt: record.timestamp, headers: record.headers, before })
  }

  /** Emits the windows that have closed. `range` gives the starts of the windows to look at; null if no window can have closed. */
  closed(
    headers: readonly Header[],
    windows: Windows,
    closeTime: number,
    range: (lastClose: number) => { readonly from: number; readonly to: number } | null,
  ): void {
    if (!this.#onClose || (this.#lastClose.value !== -1 && this.#lastClose.value >= closeTime)) return
    const starts = range(this.#lastClose.value)
    if (starts === null || starts.to < 0) return
    const { records, latencyMs } = this.#meters
    const begin = this.#context.currentSystemTime
    let emitted = 0
    for (const [key, row] of this.isCached ? windows.fetchHeld(starts.from, starts.to) : windows.fetchAll(starts.from, starts.to)) {
      emitted++
      this.#context.forward({ key, value: { newValue: row.value, oldValue: null }, timestamp: row.timestamp, headers })
    }
    records.record(emitted)
    latencyMs.record(this.#context.currentSystemTime - begin)
    this.#lastClose.value = closeTime
  }
}
