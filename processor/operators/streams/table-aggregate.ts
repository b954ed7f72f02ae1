import type { Change, TableAggregate } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { TableProcessor } from './table-processor.ts'

export class TableAggregateProcessor extends TableProcessor<TableAggregate> {
  protected override get tableStore(): string {
    return this.operator.store
  }

  process(record: Record<unknown, unknown>): void {
    const { key } = record
    const { rows } = this
    if (key === null || rows === null) {
      throw new WaggleError('WAGGLE_NULL_KEY', {
        message: `A record without a key came to ${this.operator.store}`,
        next: 'Give every record of a table a key.',
      })
    }
    const change = record.value as Change<unknown>
    const { initialize, add, subtract, oldValues } = this.operator
    const before = rows.get(key)
    const later = before === null ? record.timestamp : Math.max(record.timestamp, before.timestamp)
    let timestamp = record.timestamp
    let aggregate: unknown = before?.value ?? null
    if (change.oldValue !== null && aggregate !== null) {
      aggregate = subtract(key, change.oldValue, aggregate)
      timestamp = later
    }
    if (change.newValue !== null) {
      if (initialize !== null) {
        aggregate = add(key, change.newValue, aggregate ?? initialize())
        timestamp = later
      } else if (aggregate === null) aggregate = change.newValue
      else {
        aggregate = add(key, change.newValue, aggregate)
        timestamp = later
      }
    }
    const oldAggregate = before?.value ?? null
    this.send(record, rows.put(key, aggregate, timestamp, oldValues.sent ? oldAggregate : null), timestamp, oldAggregate)
  }
}
