import type { TableSource } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class TableSourceProcessor extends StoredProcessor {
  readonly #operator: TableSource
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: TableSource) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { kept, oldValues } = this.#operator
    if (kept.store !== null) this.#rows = openRows(this.store(kept.store))
    this.#updates = this.context.updates(kept.store, () => oldValues.sent)
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    if (key === null) {
      this.drop()
      return
    }
    const { sent } = this.#operator.oldValues
    const before = this.#rows !== null && (sent || this.#updates?.areHeldBack) ? (this.#rows.get(key)?.value ?? null) : null
    const oldValue = sent ? before : null
    const change = this.#rows === null ? { newValue: value, oldValue } : this.#rows.put(key, value, timestamp, oldValue)
    if (change !== null) this.#updates?.send({ key, change, timestamp, removedAt: record.timestamp, headers: record.headers, before })
  }
}
