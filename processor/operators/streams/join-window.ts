import type { JoinWindow } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import type { WindowStore } from '../../../topology/state-store.ts'
import { StoredProcessor } from './stored-processor.ts'

type Buffered = WindowStore<unknown, unknown>

export class JoinWindowProcessor extends StoredProcessor {
  readonly #operator: JoinWindow
  #records: Buffered | null = null

  constructor(operator: JoinWindow) {
    super()
    this.#operator = operator
  }

  override open(): void {
    this.#records = this.store<Buffered>(this.#operator.store)
  }

  /** Forwards the record to the join, and then puts the record into the window. The join emits a record alone if no match can come any more. */
  process(record: Record<unknown, unknown>): void {
    this.context.forward(record)
    if (record.key !== null) this.#records?.put(record.key, record.value, record.timestamp)
  }
}
