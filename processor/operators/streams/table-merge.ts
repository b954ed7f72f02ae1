import type { Change, TableMerge } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

/** Both sides of a join of tables, as one table. */
export class TableMergeProcessor extends StoredProcessor {
  readonly #operator: TableMerge
  #rows: TableRows | null = null

  constructor(operator: TableMerge) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store } = this.#operator.kept
    if (store !== null) this.#rows = openRows(this.store(store))
  }

  process(record: Record<unknown, unknown>): void {
    const change = record.value as Change<unknown>
    const oldValue = this.#operator.oldValues.sent ? change.oldValue : null
    const own = this.#rows === null ? { ...change, oldValue } : this.#rows.put(record.key, change.newValue, record.timestamp, oldValue)
    if (own !== null) this.context.forward({ ...record, value: own })
  }
}
