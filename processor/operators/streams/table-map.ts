import type { Change, TableMap } from '../../../topology/operators/streams.ts'
import type { Record } from '../../../topology/record.ts'
import type { KeyValueStore, ValueAndTimestamp } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Rows = KeyValueStore<unknown, ValueAndTimestamp<unknown>>

export class TableMapProcessor extends StoredProcessor {
  readonly #operator: TableMap
  #rows: Rows | null = null

  constructor(operator: TableMap) {
    super()
    this.#operator = operator
  }

  override open(): void {
    const { store } = this.#operator.kept
    if (store !== null) this.#rows = this.store<Rows>(store)
  }

  process(record: Record<unknown, unknown>): void {
    const { key, timestamp } = record
    const change = record.value as Change<unknown>
    const { skipsAbsent, oldValues } = this.#operator
    const newValue = this.#compute(key, change.newValue)
    const oldValue = oldValues.sent ? (this.#rows === null ? this.#compute(key, change.oldValue) : (this.#rows.get(key)?.value ?? null)) : null
    if (skipsAbsent && oldValues.sent && oldValue === null && newValue === null) return
    this.#rows?.put(key, newValue === null ? null : { value: newValue, timestamp })
    this.context.forward({ ...record, value: { newValue, oldValue } })
  }

  #compute(key: unknown, value: unknown): unknown {
    return value === null ? null : this.#operator.compute(key, value)
  }
}
