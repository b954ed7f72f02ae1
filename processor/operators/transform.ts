import type { Transform } from '../../topology/operators/transform.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'

export class TransformProcessor implements Processor<unknown, unknown, unknown, unknown> {
  readonly #operator: Transform
  #context: ProcessorContext<unknown, unknown> | null = null

  constructor(operator: Transform) {
    this.#operator = operator
  }

  init(context: ProcessorContext<unknown, unknown>): void {
    this.#context = context
  }

  process(record: Record<unknown, unknown>): void {
    const context = this.#context
    if (context === null) return
    const outputs = this.#operator.apply(record, context.recordMetadata, context.currentSystemTime, context.taskId)
    for (const { record: output, child } of outputs) context.forward(output, child)
  }
}
