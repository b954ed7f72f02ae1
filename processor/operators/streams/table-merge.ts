import type { Change, TableMerge } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { KeyValueStore, ValueAndTimestamp } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Rows = KeyValueStore<unknown, ValueAndTimestamp<unknown>>

/** Both sides of a join of tables, as one table. */
export class TableMergeProcessor extends StoredProcessor {
  readonly #operator: TableMerge
  #rows: Rows | null = null

  constructor(operator: TableMerge) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store } = this.#operator.kept
    if (store !== null) this.#rows = this.store<Rows>(store)
  }

  process(record: Record<unknown, unknown>): void {
    const { newValue, oldValue } = record.value as Change<unknown>
    const { key, timestamp } = record
    this.#rows?.put(key, newValue === null ? null : { value: newValue, timestamp })
    this.context.forward({ ...record, value: { newValue, oldValue: this.#operator.oldValues.sent ? oldValue : null } })
  }
}
