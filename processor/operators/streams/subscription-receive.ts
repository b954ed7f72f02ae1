import type { Subscription, SubscriptionReceive } from '../../../topology/operators/foreign-key.ts'
import type { Record } from '../../../topology/record.ts'
import type { Serializer } from '../../../topology/serde.ts'
import type { KeyValueStore } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'
import { subscriptionKey } from './subscription-key.ts'

/** Stores the subscriptions to the right rows of its partition, and forwards each of them for a response. */
export class SubscriptionReceiveProcessor extends StoredProcessor {
  readonly #operator: SubscriptionReceive
  #store: KeyValueStore<Uint8Array, Subscription> | null = null

  constructor(operator: SubscriptionReceive) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#store = this.store(this.#operator.store)
  }

  process(record: Record<unknown, unknown>): void {
    const { key } = record
    const subscription = record.value as Subscription
    const { instruction } = subscription
    if (key === null && instruction !== 'answer-always') {
      this.drop()
      return
    }
    if (key !== null) {
      const unsubscribes = instruction === 'unsubscribe' || instruction === 'unsubscribe-and-answer'
      this.#store?.put(this.#keyOf(key, subscription.primaryKey), unsubscribes ? null : subscription)
    }
    this.context.forward(record)
  }

  #keyOf(foreignKey: unknown, primaryKey: unknown): Uint8Array {
    const { topic, serdes } = this.#operator
    const prefix = `${this.context.applicationId}-${topic}`
    return subscriptionKey(
      (serdes.foreignKey as unknown as Serializer<unknown>).serialize(`${prefix}-fk`, foreignKey),
      (serdes.primaryKey as unknown as Serializer<unknown>).serialize(`${prefix}-pk`, primaryKey),
    )
  }
}
