import type { Subscription, SubscriptionJoin, SubscriptionResponse } from '../../../topology/operators/foreign-key.ts'
import type { Record } from '../../../topology/record.ts'
import { StoredProcessor } from './stored-processor.ts'
import { openTable, type TableLookup } from './table-lookup.ts'

/** Answers a new subscription with the current row of the right table. */
export class SubscriptionJoinProcessor extends StoredProcessor {
  readonly #operator: SubscriptionJoin
  #foreignTable: TableLookup = () => null

  constructor(operator: SubscriptionJoin) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#foreignTable = openTable(this.#operator.foreignTable, (name) => this.store(name))
  }

  process(record: Record<unknown, unknown>): void {
    const { hash, instruction, primaryKey, primaryPartition } = record.value as Subscription
    if (instruction === 'unsubscribe') return
    const found = record.key === null ? null : this.#foreignTable(record.key)
    if (instruction === 'answer-if-found' && found === null) return
    const foreignValue = instruction === 'unsubscribe-and-answer' ? null : (found?.value ?? null)
    const response: SubscriptionResponse = { hash, foreignValue, primaryPartition }
    this.context.forward({ ...record, key: primaryKey, value: response, timestamp: Math.max(record.timestamp, found?.timestamp ?? -1) })
  }
}
