import type { Deduplicate } from '../../topology/operators/deduplicate.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { DueIndex } from '../operators/due-index.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'

interface Parts {
  readonly context: ProcessorContext<string, unknown>
  readonly seen: KeyValueStore<string, number>
  readonly expiry: DueIndex
}

export class DeduplicateProcessor extends OpenedProcessor<string, unknown, string, unknown, Parts> {
  readonly #operator: Deduplicate

  constructor(operator: Deduplicate) {
    super()
    this.#operator = operator
  }

  override open(context: ProcessorContext<string, unknown>): Parts {
    const seen = context.getStateStore<KeyValueStore<string, number>>(this.#operator.store)
    const expiry = new DueIndex(context.getStateStore(this.#operator.dueStore), context, (key, isDue) => {
      const since = seen.get(key)
      if (since !== null && isDue(since + this.#operator.retentionMs)) seen.delete(key)
    })
    return { context, seen, expiry }
  }

  process(record: Record<string, unknown>): void {
    const { context, seen, expiry } = this.parts
    const now = context.currentSystemTime
    if (seen.putIfAbsent(record.key, now) !== null) return
    expiry.add(record.key, now + this.#operator.retentionMs)
    context.forward(record)
  }
}
