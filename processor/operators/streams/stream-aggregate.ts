import type { StreamAggregate } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class StreamAggregateProcessor extends StoredProcessor {
  readonly #operator: StreamAggregate
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: StreamAggregate) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store, oldValues } = this.#operator
    this.#rows = openRows(this.store(store))
    this.#updates = this.context.updates(store, () => oldValues.sent)
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value } = record
    const rows = this.#rows
    if (key === null || value === null || rows === null) {
      this.drop()
      return
    }
    const { initialize, add, oldValues } = this.#operator
    const before = rows.get(key)
    const oldAggregate = before === null ? initialize() : before.value
    const timestamp = before === null ? record.timestamp : Math.max(record.timestamp, before.timestamp)
    const newValue = add(key, value, oldAggregate)
    const change = rows.put(key, newValue, timestamp, oldValues.sent ? oldAggregate : null)
    if (change !== null)
      this.#updates?.send({ key, change, timestamp, removedAt: record.timestamp, headers: record.headers, before: before?.value ?? null })
  }
}
