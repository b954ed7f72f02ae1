import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import { DueIndex } from '../operators/due-index.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'

export interface DeduplicateOptions {
  readonly store: string
  readonly dueStore: string
  readonly retentionMs: number
}

interface Parts {
  readonly context: ProcessorContext<string, unknown>
  readonly seen: KeyValueStore<string, number>
  readonly dues: DueIndex
}

/**
 * Drops a record if a record with the same key passed within `retentionMs`. The store maps a key to the time of its first record in epoch ms.
 * `<store>-due` holds the keys in the order of their expiry.
 */
export class DeduplicateProcessor extends OpenedProcessor<string, unknown, string, unknown, Parts> {
  readonly #options: DeduplicateOptions

  constructor(options: DeduplicateOptions) {
    super()
    this.#options = options
  }

  override open(context: ProcessorContext<string, unknown>): Parts {
    const seen = context.getStateStore<KeyValueStore<string, number>>(this.#options.store)
    const dues = new DueIndex(context.getStateStore(this.#options.dueStore), context, (key, isDue) => {
      const since = seen.get(key)
      if (since !== null && isDue(since + this.#options.retentionMs)) seen.delete(key)
    })
    return { context, seen, dues }
  }

  process(record: Record<string, unknown>): void {
    const { context, seen, dues } = this.parts
    const now = context.currentSystemTime
    if (seen.putIfAbsent(record.key, now) !== null) return
    dues.add(record.key, now + this.#options.retentionMs)
    context.forward(record)
  }
}
