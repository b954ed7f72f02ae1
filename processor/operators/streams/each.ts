import type { Each, Forward } from '../../../topology/operators/streams-operators.ts'
import type { Processor, ProcessorContext } from '../../../topology/processor-api.ts'
import type { Record } from '../../../topology/record.ts'

export class EachProcessor implements Processor<unknown, unknown, unknown, unknown> {
  readonly #operator: Each
  #forward: Forward = () => {}

  constructor(operator: Each) {
    this.#operator = operator
  }

  init(context: ProcessorContext<unknown, unknown>): void {
    this.#forward = (record, child) => context.forward(record, child)
  }

  process(record: Record<unknown, unknown>): void {
    this.#operator.each(record, this.#forward)
  }
}
