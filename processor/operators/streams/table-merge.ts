import type { Change, TableMerge } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { TableProcessor } from './table-processor.ts'

/** Merges both sides of a join of tables into one table. */
export class TableMergeProcessor extends TableProcessor<TableMerge> {
  protected override get tableStore(): string | null {
    return this.operator.kept.store
  }

  process(record: Record<unknown, unknown>): void {
    const { key, timestamp } = record
    const change = record.value as Change<unknown>
    const { rows } = this
    const before = rows !== null && this.areHeldBack ? (rows.get(key)?.value ?? null) : null
    const oldValue = this.operator.oldValues.sent ? change.oldValue : null
    this.send(record, rows === null ? { ...change, oldValue } : rows.put(key, change.newValue, timestamp, oldValue), timestamp, before)
  }
}
