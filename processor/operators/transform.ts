import type { Transform } from '../../topology/operators/transform.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import { OpenedProcessor } from './opened-processor.ts'

type Context = ProcessorContext<unknown, unknown>

export class TransformProcessor extends OpenedProcessor<unknown, unknown, unknown, unknown, Context> {
  readonly #operator: Transform

  constructor(operator: Transform) {
    super()
    this.#operator = operator
  }

  override open(context: Context): Context {
    return context
  }

  process(record: Record<unknown, unknown>): void {
    const context = this.parts
    const outputs = this.#operator.apply(record, context.recordMetadata, context.currentSystemTime, context.taskId)
    for (const { record: output, child } of outputs) context.forward(output, child)
  }
}
