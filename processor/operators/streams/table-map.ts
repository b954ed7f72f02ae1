import type { Change, TableMap } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { TableProcessor } from './table-processor.ts'

export class TableMapProcessor extends TableProcessor<TableMap> {
  protected override get tableStore(): string | null {
    return this.operator.kept.store
  }

  process(record: Record<unknown, unknown>): void {
    const { key, timestamp } = record
    const change = record.value as Change<unknown>
    const { rows } = this
    const { skipsAbsent, oldValues, versioned } = this.operator
    const newValue = this.#compute(key, change.newValue)
    const before = rows !== null && (oldValues.sent || this.areHeldBack) ? (rows.get(key)?.value ?? null) : null
    const oldValue = oldValues.sent ? (rows === null ? this.#compute(key, change.oldValue) : before) : null
    if (skipsAbsent && !versioned && oldValues.sent && oldValue === null && newValue === null) return
    this.send(record, rows === null ? { ...change, newValue, oldValue } : rows.put(key, newValue, timestamp, oldValue), timestamp, before)
  }

  #compute(key: unknown, value: unknown): unknown {
    return value === null ? null : this.operator.compute(key, value)
  }
}
