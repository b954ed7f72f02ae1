import type { ForeignTableJoin, Subscription, SubscriptionResponse } from '../../../topology/operators/foreign-key.ts'
import type { Change } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import type { Serializer } from '../../../topology/serde.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'
import { bytesAsTheyAre, subscriptionKey } from './subscription-key.ts'

/** Sends each new value of a right row to all left rows that have subscribed to it. */
export class ForeignTableJoinProcessor extends StoredProcessor {
  readonly #operator: ForeignTableJoin
  readonly #foreignKey: Serializer<unknown>
  #store: KeyValueStore<Uint8Array, Subscription> | null = null

  constructor(operator: ForeignTableJoin) {
    super()
    this.#operator = operator
    this.#foreignKey = operator.serdes.foreignKey as unknown as Serializer<unknown>
  }

  override open(): void {
    this.#store = this.store(this.#operator.store)
  }

  process(record: Record<unknown, unknown>): void {
    if (record.key === null || (this.#operator.versioned && (record.value as Change<unknown>).isOutdated)) {
      this.drop()
      return
    }
    const key = this.#foreignKey.serialize(`${this.context.applicationId}-${this.#operator.topic}-fk`, record.key)
    const foreignValue = (record.value as Change<unknown>).newValue
    for (const [, { hash, primaryKey, primaryPartition }] of this.#store?.prefixScan(subscriptionKey(key, null), bytesAsTheyAre) ?? []) {
      const response: SubscriptionResponse = { hash, foreignValue, primaryPartition }
      this.context.forward({ ...record, key: primaryKey, value: response })
    }
  }
}
