import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'

/** A processor with parts that exist only once its task has opened it: its context, its stores, and objects that use them. */
export abstract class OpenedProcessor<KIn, VIn, KOut, VOut, Parts> implements Processor<KIn, VIn, KOut, VOut> {
  #parts: Parts | null = null

  init(context: ProcessorContext<KOut, VOut>): void {
    this.#parts = this.open(context)
  }

  abstract process(record: Record<KIn, VIn>): void

  /** Makes the parts. */
  protected abstract open(context: ProcessorContext<KOut, VOut>): Parts

  /** The parts. Throws if the task has not opened the processor. */
  protected get parts(): Parts {
    if (this.#parts === null) throw new Error('A processor is used before its task has opened it')
    return this.#parts
  }
}
