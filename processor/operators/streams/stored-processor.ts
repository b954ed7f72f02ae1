import type { Processor } from '../../../topology/processor-api.ts'
import type { Record } from '../../../topology/record.ts'
import type { StateStore } from '../../../topology/state-store.ts'
import type { OperatorContext } from '../operator-context.ts'

/** A processor that keeps its context, and its stores by name. */
export abstract class StoredProcessor implements Processor<unknown, unknown, unknown, unknown> {
  #context: OperatorContext | null = null

  init(context: OperatorContext): void {
    this.#context = context
    this.open()
  }

  abstract process(record: Record<unknown, unknown>): void

  protected open(): void {}

  protected get context(): OperatorContext {
    if (this.#context === null) throw new Error('A processor is used before its task has opened it')
    return this.#context
  }

  protected store<S extends StateStore>(name: string): S {
    return this.context.getStateStore<S>(name)
  }

  /** Counts a record that the step drops, in Kafka Streams' metric dropped-records. */
  protected drop(): void {
    this.context.drop()
  }
}
