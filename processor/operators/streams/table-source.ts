import type { TableSource } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { TableProcessor } from './table-processor.ts'

export class TableSourceProcessor extends TableProcessor<TableSource> {
  protected override get tableStore(): string | null {
    return this.operator.kept.store
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    if (key === null) {
      this.drop()
      return
    }
    const { rows } = this
    const { sent } = this.operator.oldValues
    const before = rows !== null && (sent || this.areHeldBack) ? (rows.get(key)?.value ?? null) : null
    const oldValue = sent ? before : null
    this.send(record, rows === null ? { newValue: value, oldValue } : rows.put(key, value, timestamp, oldValue), timestamp, before)
  }
}
