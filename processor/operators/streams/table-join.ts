import type { Change, TableJoin } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

/** One side of an inner, left or outer join of tables. `keepsThis` and `keepsOther` distinguish the three kinds of joins. */
export class TableJoinProcessor extends StoredProcessor {
  readonly #operator: TableJoin
  #other: TableLookup = () => null

  constructor(operator: TableJoin) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#other = openTable(this.#operator.other, (name) => this.store(name))
  }

  process(record: Record<unknown, unknown>): void {
    const { key } = record
    if (key === null) {
      this.drop()
      return
    }
    const change = record.value as Change<unknown>
    const { keepsThis, oldValues, versioned } = this.#operator
    if (versioned && change.isOutdated) {
      this.drop()
      return
    }
    const { newValue, oldValue } = change
    const other = this.#other(key)
    if (other === null && (!keepsThis || (newValue === null && oldValue === null))) return
    const timestamp = other === null ? record.timestamp : Math.max(record.timestamp, other.timestamp)
    const otherValue = other?.value ?? null
    const joined = {
      ...change,
      newValue: this.#join(key, newValue, otherValue),
      oldValue: oldValues.sent ? this.#join(key, oldValue, otherValue) : null,
    }
    this.context.forward({ key, value: joined, timestamp, headers: record.headers })
  }

  #join(key: unknown, value: unknown, other: unknown): unknown {
    if (value === null && (other === null || !this.#operator.keepsOther)) return null
    return this.#operator.join(key, value, other)
  }
}
