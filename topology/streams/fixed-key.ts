import type {
  Cancellable,
  FixedKeyProcessorContext,
  FixedKeyProcessorSupplier,
  ProcessorContext,
  ProcessorSupplier,
  PunctuationType,
  Punctuator,
} from '../processor-api.ts'
import type { NewRecord, RecordMetadata } from '../record.ts'
import type { StateStore, StoreBuilder } from '../state-store.ts'

/** Adapts a processor that keeps keys to the interface of a processor that may change keys. */
export function fixedKey<K, V, W>(supplier: FixedKeyProcessorSupplier<K, V, W>): ReturnType<ProcessorSupplier<K, V, K, W>> {
  const processor = supplier()
  let key: K
  return {
    init: (context) => processor.init?.(new FixedKeyContext(context, () => key)),
    process(record) {
      key = record.key
      processor.process(record)
    },
    close: () => processor.close?.(),
  }
}

/** Forwards each record with the key of the current input record. */
class FixedKeyContext<K, V> implements FixedKeyProcessorContext<V> {
  readonly #context: ProcessorContext<K, V>
  readonly #key: () => K

  constructor(context: ProcessorContext<K, V>, key: () => K) {
    this.#context = context
    this.#key = key
  }

  get applicationId(): string {
    return this.#context.applicationId
  }

  get taskId(): string {
    return this.#context.taskId
  }

  get currentStreamTime(): number {
    return this.#context.currentStreamTime
  }

  get currentSystemTime(): number {
    return this.#context.currentSystemTime
  }

  get recordMetadata(): RecordMetadata | null {
    return this.#context.recordMetadata
  }

  getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S {
    return this.#context.getStateStore(store)
  }

  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator, options?: { startTime?: number }): Cancellable {
    return this.#context.schedule(intervalMs, type, punctuator, options)
  }

  commit(): void {
    this.#context.commit()
  }

  forward(record: Omit<NewRecord<unknown, V>, 'key'>, child?: string): void {
    this.#context.forward({ ...record, key: this.#key() }, child)
  }
}
