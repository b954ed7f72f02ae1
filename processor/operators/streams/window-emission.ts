import type { Header, Record, Window } from '../../../topology/record.ts'
import type { ValueAndTimestamp } from '../../../topology/state-store.ts'
import type { NodeMeters } from '../../metrics/task-meters.ts'
import type { SegmentedWindowStore } from '../../state/segmented-store.ts'
import type { OperatorContext } from '../operator-context.ts'

type Windows = SegmentedWindowStore<unknown, ValueAndTimestamp<unknown>>

/** How a windowed aggregation's results leave: each update at once, or each window once, when it has closed. KIP-825. */
export class WindowEmission {
  readonly #context: OperatorContext
  readonly #store: string
  readonly #onClose: boolean
  readonly #sendsOld: () => boolean
  #lastClose: number
  readonly #meters: NodeMeters['finalEmit']

  constructor(context: OperatorContext, store: string, onClose: boolean, sendsOld: () => boolean) {
    this.#context = context
    this.#store = store
    this.#onClose = onClose
    this.#sendsOld = sendsOld
    this.#lastClose = context.noted(store) ?? -1
    this.#meters = context.meters.finalEmit
  }

  update(record: Record<unknown, unknown>, window: Window, oldAggregate: unknown, newValue: unknown, timestamp: number): void {
    if (this.#onClose) return
    const change = { newValue, oldValue: this.#sendsOld() ? oldAggregate : null }
    this.#context.forward({ key: { key: record.key, window }, value: change, timestamp, headers: record.headers })
  }

  /** `range` gives the window starts to look at for a close time, null where no window can have closed. */
  closed(
    headers: readonly Header[],
    windows: Windows,
    closeTime: number,
    range: (lastClose: number) => { readonly from: number; readonly to: number } | null,
  ): void {
    if (!this.#onClose || (this.#lastClose !== -1 && this.#lastClose >= closeTime)) return
    const starts = range(this.#lastClose)
    if (starts === null || starts.to < 0) return
    const { records, latencyMs } = this.#meters
    const begin = this.#context.currentSystemTime
    let emitted = 0
    for (const [key, row] of windows.fetchAll(starts.from, starts.to)) {
      emitted++
      this.#context.forward({ key, value: { newValue: row.value, oldValue: null }, timestamp: row.timestamp, headers })
    }
    records.record(emitted)
    latencyMs.record(this.#context.currentSystemTime - begin)
    this.#lastClose = closeTime
    this.#context.note(this.#store, closeTime)
  }
}
