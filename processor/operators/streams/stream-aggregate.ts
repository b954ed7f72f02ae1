import type { StreamAggregate } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class StreamAggregateProcessor extends StoredProcessor {
  readonly #operator: StreamAggregate
  #rows: TableRows | null = null

  constructor(operator: StreamAggregate) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#rows = openRows(this.store(this.#operator.store))
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
    if (change !== null) this.context.forward({ key, value: change, timestamp, headers: record.headers })
  }
}
