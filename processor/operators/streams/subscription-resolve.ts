import type { SubscriptionResolve, SubscriptionResponse } from '../../../topology/operators/foreign-key.ts'
import type { Record } from '../../../topology/record.ts'
import type { Serializer } from '../../../topology/serde.ts'
import { murmur128 } from './murmur128.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

/** Joins a response with the left row that subscribed, unless the row has changed since. */
export class SubscriptionResolveProcessor extends StoredProcessor {
  readonly #operator: SubscriptionResolve
  readonly #value: Serializer<unknown>
  #table: TableLookup = () => null

  constructor(operator: SubscriptionResolve) {
    super()
    this.#operator = operator
    this.#value = operator.serdes.value as unknown as Serializer<unknown>
  }

  override open(): void {
    this.#table = openTable(this.#operator.table, (name) => this.store(name))
  }

  process(record: Record<unknown, unknown>): void {
    const { join, left, topic } = this.#operator
    const { hash, foreignValue } = record.value as SubscriptionResponse
    const row = this.#table(record.key)
    const current = row === null ? null : murmur128(this.#value.serialize(`${this.context.applicationId}-${topic}-vh`, row.value, record.headers))
    if (!sameBytes(hash, current)) {
      this.drop()
      return
    }
    const isGone = foreignValue === null && (!left || row === null)
    this.context.forward({ ...record, value: isGone ? null : join(record.key, row?.value ?? null, foreignValue) })
  }
}

function sameBytes(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : Buffer.compare(a, b) === 0
}
