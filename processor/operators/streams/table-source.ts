import type { TableSource } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { KeyValueStore, ValueAndTimestamp } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Rows = KeyValueStore<unknown, ValueAndTimestamp<unknown>>

export class TableSourceProcessor extends StoredProcessor {
  readonly #operator: TableSource
  #rows: Rows | null = null

  constructor(operator: TableSource) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store } = this.#operator.kept
    if (store !== null) this.#rows = this.store<Rows>(store)
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    if (key === null) {
      this.drop()
      return
    }
    let oldValue: unknown = null
    if (this.#rows !== null) {
      if (this.#operator.oldValues.sent) oldValue = this.#rows.get(key)?.value ?? null
      this.#rows.put(key, value === null ? null : { value, timestamp })
    }
    this.context.forward({ ...record, value: { newValue: value, oldValue } })
  }
}
