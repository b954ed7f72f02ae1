import type { StreamAggregate } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { KeyValueStore, ValueAndTimestamp } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Rows = KeyValueStore<unknown, ValueAndTimestamp<unknown>>

export class StreamAggregateProcessor extends StoredProcessor {
  readonly #operator: StreamAggregate
  #rows: Rows | null = null

  constructor(operator: StreamAggregate) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#rows = this.store<Rows>(this.#operator.store)
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
    rows.put(key, newValue === null ? null : { value: newValue, timestamp })
    this.context.forward({ key, value: { newValue, oldValue: oldValues.sent ? oldAggregate : null }, timestamp, headers: record.headers })
  }
}
