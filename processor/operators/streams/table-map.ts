import type { Change, TableMap } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

export class TableMapProcessor extends StoredProcessor {
  readonly #operator: TableMap
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: TableMap) {
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
    const { skipsAbsent, oldValues, versioned } = this.#operator
    const newValue = this.#compute(key, change.newValue)
    const before = this.#rows !== null && (oldValues.sent || this.#updates?.areHeldBack) ? (this.#rows.get(key)?.value ?? null) : null
    const oldValue = oldValues.sent ? (this.#rows === null ? this.#compute(key, change.oldValue) : before) : null
    if (skipsAbsent && !versioned && oldValues.sent && oldValue === null && newValue === null) return
    const own = this.#rows === null ? { ...change, newValue, oldValue } : this.#rows.put(key, newValue, timestamp, oldValue)
    if (own !== null) this.#updates?.send({ key, change: own, timestamp, removedAt: record.timestamp, headers: record.headers, before })
  }

  #compute(key: unknown, value: unknown): unknown {
    return value === null ? null : this.#operator.compute(key, value)
  }
}
