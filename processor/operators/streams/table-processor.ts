import type { Change, OldValues } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import type { TableUpdates } from '../operator-context.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openRows, type TableRows } from './table-rows.ts'

/** A processor that makes the updates of a table. The processor keeps the table's rows, if the table has a store. */
export abstract class TableProcessor<Operator extends { readonly oldValues: OldValues }> extends StoredProcessor {
  protected readonly operator: Operator
  #rows: TableRows | null = null
  #updates: TableUpdates | null = null

  constructor(operator: Operator) {
    super()
    this.operator = operator
  }

  override open(): void {
    const store = this.tableStore
    if (store !== null) this.#rows = openRows(this.store(store))
    this.#updates = this.context.updates(store, () => this.operator.oldValues.sent)
  }

  /** The name of the table's store; null if the table has no store. */
  protected abstract get tableStore(): string | null

  /** The rows of the table; null if the table has no store. */
  protected get rows(): TableRows | null {
    return this.#rows
  }

  /** True if a cache holds updates back, so that each update needs the value before it. */
  protected get areHeldBack(): boolean {
    return this.#updates?.areHeldBack ?? false
  }

  /** Sends an update. `change` is null for an update that is too old. `before` is the earlier value of the row; null if the row had no value. */
  protected send(
    { key, timestamp: removedAt, headers }: Record<unknown, unknown>,
    change: Change<unknown> | null,
    timestamp: number,
    before: unknown,
  ): void {
    if (change !== null) this.#updates?.send({ key, change, timestamp, removedAt, headers, before })
  }
}
