import type { TableSource } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class TableSourceProcessor extends StoredProcessor {
  readonly #operator: TableSource
  #rows: TableRows | null = null

  constructor(operator: TableSource) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store } = this.#operator.kept
    if (store !== null) this.#rows = openRows(this.store(store))
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    if (key === null) {
      this.drop()
      return
    }
    const oldValue = this.#rows !== null && this.#operator.oldValues.sent ? (this.#rows.get(key)?.value ?? null) : null
    const change = this.#rows === null ? { newValue: value, oldValue } : this.#rows.put(key, value, timestamp, oldValue)
    if (change !== null) this.context.forward({ ...record, value: change })
  }
}
