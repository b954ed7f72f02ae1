import type { Change, TableAggregate } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class TableAggregateProcessor extends StoredProcessor {
  readonly #operator: TableAggregate
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: TableAggregate) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store, oldValues } = this.#operator
    this.#rows = openRows(this.store(store))
    this.#updates = this.context.updates(store, () => oldValues.sent)
  }

  process(record: Record<unknown, unknown>): void {
    const { key } = record
    const rows = this.#rows
    if (key === null || rows === null) {
      throw new WaggleError('WAGGLE_NULL_KEY', {
        message: `A record without a key came to ${this.#operator.store}`,
        next: 'Give every record of a table a key.',
      })
    }
    const change = record.value as Change<unknown>
    const { initialize, add, subtract, oldValues } = this.#operator
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
    const own = rows.put(key, aggregate, timestamp, oldValues.sent ? (before?.value ?? null) : null)
    if (own !== null)
      this.#updates?.send({ key, change: own, timestamp, removedAt: record.timestamp, headers: record.headers, before: before?.value ?? null })
  }
}
