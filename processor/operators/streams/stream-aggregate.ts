import type { StreamAggregate } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { TableProcessor } from './table-processor.ts'

export class StreamAggregateProcessor extends TableProcessor<StreamAggregate> {
  protected override get tableStore(): string {
    return this.operator.store
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value } = record
    const { rows } = this
    if (key === null || value === null || rows === null) {
      this.drop()
      return
    }
    const { initialize, add, oldValues } = this.operator
    const before = rows.get(key)
    const oldAggregate = before === null ? initialize() : before.value
    const timestamp = before === null ? record.timestamp : Math.max(record.timestamp, before.timestamp)
    const newValue = add(key, value, oldAggregate)
    this.send(record, rows.put(key, newValue, timestamp, oldValues.sent ? oldAggregate : null), timestamp, before?.value ?? null)
  }
}
