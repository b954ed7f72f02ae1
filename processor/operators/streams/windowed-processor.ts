import type { OldValues } from '../../../topology/operators/streams-operators.ts'
import type { Header, Record } from '../../../topology/record.ts'
import type { ValueAndTimestamp } from '../../../topology/state-store.ts'
import type { SegmentedWindowStore } from '../../state/segmented-window-store.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { EmitSchedule } from './emit-schedule.ts'
import { StoredProcessor } from './stored-processor.ts'
import { WindowEmission } from './window-emission.ts'

export type WindowRow = ValueAndTimestamp<unknown>
export type StoredWindows = SegmentedWindowStore<unknown, WindowRow>

interface WindowedOperator {
  readonly store: string
  readonly windows: { readonly graceMs: number }
  readonly emitOnClose: boolean
  readonly oldValues: OldValues
}

/** A processor that aggregates the records of a key in windows, and emits each update at once, or each window when it has closed. */
export abstract class WindowedProcessor<Operator extends WindowedOperator> extends StoredProcessor {
  protected readonly operator: Operator
  #windows: StoredWindows | null = null
  #emission: WindowEmission | null = null
  #schedule: EmitSchedule | null = null
  #streamTime: KeptNumber = { value: -1 }

  constructor(operator: Operator) {
    super()
    this.operator = operator
  }

  override open(): void {
    const { store, emitOnClose, oldValues } = this.operator
    this.#windows = this.store<StoredWindows>(store)
    this.#streamTime = this.context.kept('time', 'forgettable')
    this.#emission = new WindowEmission(this.context, store, emitOnClose, () => oldValues.sent)
    if (emitOnClose) this.#schedule = new EmitSchedule(this.context, (headers) => this.emitClosed(headers))
  }

  /** Emits the windows that have closed since the last call. */
  protected abstract emitClosed(headers: readonly Header[]): void

  protected get windows(): StoredWindows | null {
    return this.#windows
  }

  protected get emission(): WindowEmission | null {
    return this.#emission
  }

  /** The time before which windows are closed. */
  protected get closeTime(): number {
    return this.#streamTime.value - this.operator.windows.graceMs
  }

  /** Advances stream time to a record. */
  protected advanceTo(timestamp: number): void {
    this.#streamTime.value = Math.max(this.#streamTime.value, timestamp)
  }

  /** Called after each record, which may have closed windows. */
  protected processed(record: Record<unknown, unknown>): void {
    this.#schedule?.record(record)
  }
}
