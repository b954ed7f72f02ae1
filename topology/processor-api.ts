import type { NewRecord, Record, RecordMetadata } from './record.ts'
import type { StateStore, StoreBuilder } from './state-store.ts'

export type PunctuationType = 'STREAM_TIME' | 'WALL_CLOCK_TIME'
export type Punctuator = (timestamp: number) => void
export interface Cancellable {
  cancel(): void
}

export interface ProcessorContext<in K, in V> {
  readonly applicationId: string
  readonly taskId: string
  readonly currentStreamTime: number
  readonly currentSystemTime: number
  /** The topic, partition and offset of the current record; null in a punctuation. */
  readonly recordMetadata: RecordMetadata | null
  /** Throws WAGGLE_STORE_NOT_CONNECTED if the node did not name the store. */
  getStateStore<S extends StateStore>(store: string | StoreBuilder<S>): S
  /**
   * Calls the punctuator every `intervalMs`, by stream time or by the wall clock. With `startTime` (epoch ms) the first call is at that time, and
   * past times are skipped (KIP-1146). Throws WAGGLE_INVALID_INTERVAL for an impossible interval or start.
   *
   * @example
   * ```ts
   * declare const context: ProcessorContext<string, number>
   * const midnight = new Date().setHours(24, 0, 0, 0)
   * context.schedule(86_400_000, 'WALL_CLOCK_TIME', (timestamp) => console.log(new Date(timestamp)), { startTime: midnight })
   * ```
   */
  schedule(intervalMs: number, type: PunctuationType, punctuator: Punctuator, options?: { startTime?: number }): Cancellable
  /** Requests a commit soon. Answers to callers wait for a commit. */
  commit(): void
  forward(record: NewRecord<K, V>, child?: string): void
}

/** The code of one node. Each task has its own processor. A processor is synchronous: slow work belongs in an asynchronous node. */
export interface Processor<KIn, VIn, KOut, VOut> {
  init?(context: ProcessorContext<KOut, VOut>): void
  readonly process: (record: Record<KIn, VIn>) => void
  close?(): void
}
export type ProcessorSupplier<KIn, VIn, KOut, VOut> = () => Processor<KIn, VIn, KOut, VOut>

/** A `ProcessorContext` whose records keep their key. */
export interface FixedKeyProcessorContext<in V> extends Omit<ProcessorContext<unknown, V>, 'forward'> {
  forward(record: Omit<NewRecord<unknown, V>, 'key'>, child?: string): void
}

export interface FixedKeyProcessor<K, VIn, VOut> {
  init?(context: FixedKeyProcessorContext<VOut>): void
  readonly process: (record: Record<K, VIn>) => void
  close?(): void
}
export type FixedKeyProcessorSupplier<K, VIn, VOut> = () => FixedKeyProcessor<K, VIn, VOut>
