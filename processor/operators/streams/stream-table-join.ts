import type { StreamTableJoin } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

export class StreamTableJoinProcessor extends StoredProcessor {
  readonly #operator: StreamTableJoin
  #table: TableLookup = () => null

  constructor(operator: StreamTableJoin) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#table = openTable(this.#operator.table, (name) => this.store(name))
  }

  process(record: Record<unknown, unknown>): void {
    const { keyOf, join, left } = this.#operator
    const { key, value } = record
    const tableKey = value === null ? null : keyOf(key, value)
    if (value === null || (tableKey === null && !left)) {
      this.drop()
      return
    }
    const row = tableKey === null ? null : this.#table(tableKey)
    if (row === null && !left) return
    this.context.forward({ ...record, value: join(key, value, row?.value ?? null) })
  }
}
