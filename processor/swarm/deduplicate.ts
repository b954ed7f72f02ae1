import type { Deduplicate } from '../../topology/operators/deduplicate.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { DueIndex } from '../operators/due-index.ts'

export class DeduplicateProcessor implements Processor<string, unknown, string, unknown> {
  readonly #operator: Deduplicate
  #bound: { context: ProcessorContext<string, unknown>; seen: KeyValueStore<string, number>; expiry: DueIndex } | null = null

  constructor(operator: Deduplicate) {
    this.#operator = operator
  }

  init(context: ProcessorContext<string, unknown>): void {
    const seen = context.getStateStore<KeyValueStore<string, number>>(this.#operator.store)
    const expiry = new DueIndex(context.getStateStore(this.#operator.dueStore), context, (key, isDue) => {
      const since = seen.get(key)
      if (since !== null && isDue(since + this.#operator.retentionMs)) seen.delete(key)
    })
    this.#bound = { context, seen, expiry }
  }

  process(record: Record<string, unknown>): void {
    if (this.#bound === null) return
    const { context, seen, expiry } = this.#bound
    const now = context.currentSystemTime
    if (seen.putIfAbsent(record.key, now) !== null) return
    expiry.add(record.key, now + this.#operator.retentionMs)
    context.forward(record)
  }
}
