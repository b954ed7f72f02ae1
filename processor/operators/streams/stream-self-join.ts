import type { StreamSelfJoin } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import type { WindowStore } from '../../../topology/state-store.ts'
import type { KeptNumber } from '../../state/task-memory.ts'
import { StoredProcessor } from './stored-processor.ts'

/**
 * Joins each record as the left side first, then as the right side. The pair of the record with itself comes in the second step, where an ordinary
 * join would emit it.
 */
export class StreamSelfJoinProcessor extends StoredProcessor {
  readonly #operator: StreamSelfJoin
  #records: WindowStore<unknown, unknown> | null = null
  #streamTime: KeptNumber = { value: -1 }

  constructor(operator: StreamSelfJoin) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#records = this.store(this.#operator.store)
    this.#streamTime = this.context.kept('time', 'forgettable')
  }

  process(record: Record<unknown, unknown>): void {
    const { key, value, timestamp } = record
    if (key === null || value === null || this.#records === null) {
      this.drop()
      return
    }
    const { beforeMs, afterMs, retentionMs, join } = this.#operator
    this.#streamTime.value = Math.max(this.#streamTime.value, timestamp)
    const emit = (left: unknown, right: unknown, at: number) => this.context.forward({ ...record, value: join(key, left, right), timestamp: at })
    for (const [otherTimestamp, other] of this.#records.fetch(key, Math.max(0, timestamp - beforeMs), Math.max(0, timestamp + afterMs))) {
      emit(value, other, Math.max(timestamp, otherTimestamp))
    }
    let isDue = timestamp > this.#streamTime.value - retentionMs + 1
    for (const [otherTimestamp, other] of this.#records.fetch(key, Math.max(0, timestamp - afterMs), Math.max(0, timestamp + beforeMs))) {
      if (isDue && timestamp < otherTimestamp) {
        isDue = false
        emit(value, value, timestamp)
      }
      emit(other, value, Math.max(timestamp, otherTimestamp))
    }
    if (isDue) emit(value, value, timestamp)
  }
}
