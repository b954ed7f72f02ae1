import type { ForeignKeySend, Instruction } from '../../../topology/operators/foreign-key.ts'
import type { Change } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import type { Serializer } from '../../../topology/serde.ts'
import { murmur128 } from './murmur128.ts'
import { StoredProcessor } from './stored-processor.ts'

/** Subscribes each left row to the right row of its foreign key, and cancels its subscription to the previous right row. */
export class ForeignKeySendProcessor extends StoredProcessor {
  readonly #operator: ForeignKeySend
  readonly #value: Serializer<unknown>
  readonly #foreignKey: Serializer<unknown>
  #topic = ''

  constructor(operator: ForeignKeySend) {
    super()
    this.#operator = operator
    this.#value = operator.serdes.value as unknown as Serializer<unknown>
    this.#foreignKey = operator.serdes.foreignKey as unknown as Serializer<unknown>
  }

  override open(): void {
    this.#topic = `${this.context.applicationId}-${this.#operator.topic}`
  }

  process(record: Record<unknown, unknown>): void {
    const { newValue, oldValue, isOutdated } = record.value as Change<unknown>
    if (this.#operator.versioned && isOutdated) {
      this.drop()
      return
    }
    if (newValue === null && oldValue === null) return
    const before = this.#keyOf(record.key, oldValue)
    const after = this.#keyOf(record.key, newValue)
    const hash = newValue === null ? null : murmur128(this.#value.serialize(`${this.#topic}-vh`, newValue, record.headers))
    const send = (key: unknown, instruction: Instruction) => {
      const primaryPartition = this.context.recordMetadata?.partition ?? -1
      this.context.forward({ ...record, key, value: { hash, instruction, primaryKey: record.key, primaryPartition } })
    }
    if (this.#operator.left) {
      if (before !== null && !this.#same(before, after)) send(before, 'unsubscribe')
      // A left join needs a response even without a foreign key or a right row.
      send(after, 'answer-always')
      return
    }
    if (after === null) {
      if (newValue !== null) this.drop()
      if (before !== null) send(before, 'unsubscribe-and-answer')
    } else if (before === null || this.#same(before, after)) send(after, 'answer-if-found')
    else {
      send(before, 'unsubscribe')
      send(after, 'answer-always')
    }
  }

  #keyOf(key: unknown, value: unknown): unknown {
    return value === null ? null : this.#operator.foreignKey(value, key)
  }

  #same(before: unknown, after: unknown): boolean {
    if (after === null) return false
    const bytes = (key: unknown) => this.#foreignKey.serialize(`${this.#topic}-fk`, key)
    return Buffer.compare(bytes(before), bytes(after)) === 0
  }
}
