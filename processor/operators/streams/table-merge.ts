import type { Change, TableMerge } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

/** Merges both sides of a join of tables into one table. */
export class TableMergeProcessor extends StoredProcessor {
  readonly #operator: TableMerge
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: TableMerge) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { kept, oldValues } = this.#operator
    if (kept.store !== null) this.#rows = openRows(this.store(kept.store))
    this.#updates = this.context.updates(kept.store, () => oldValues.sent)
  }

  process(record: Record<unknown, unknown>): void {
    const { key, timestamp } = record
    const change = record.value as Change<unknown>
    const before = this.#rows !== null && this.#updates?.areHeldBack ? (this.#rows.get(key)?.value ?? null) : null
    const oldValue = this.#operator.oldValues.sent ? change.oldValue : null
    const own = this.#rows === null ? { ...change, oldValue } : this.#rows.put(key, change.newValue, timestamp, oldValue)
    if (own !== null) this.#updates?.send({ key, change: own, timestamp, removedAt: record.timestamp, headers: record.headers, before })
  }
}
