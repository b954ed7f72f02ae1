import type { Change, TableRegroup } from '../../../topology/operators/streams-operators.ts'
import type { Record } from '../../../topology/record.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { sameKey } from './same-key.ts'
import { StoredProcessor } from './stored-processor.ts'

export class TableRegroupProcessor extends StoredProcessor {
  readonly #operator: TableRegroup

  constructor(operator: TableRegroup) {
    super()
    this.#operator = operator
  }

  process(record: Record<unknown, unknown>): void {
    if (record.key === null) {
      throw new WaggleError('WAGGLE_NULL_KEY', {
        message: 'A table’s record has no key to be grouped by',
        next: 'Give every record of a table a key.',
      })
    }
    const change = record.value as Change<unknown>
    if (this.#operator.versioned && change.isOutdated) return
    const joining = this.#group(record.key, change.newValue)
    const leaving = this.#group(record.key, change.oldValue)
    if (joining !== null && leaving !== null && sameKey(joining[0], leaving[0])) {
      this.context.forward({ ...record, key: leaving[0], value: { newValue: joining[1], oldValue: leaving[1] } })
      return
    }
    // The row leaves its old group first, so that no aggregate counts it twice.
    if (leaving !== null) this.context.forward({ ...record, key: leaving[0], value: { newValue: null, oldValue: leaving[1] } })
    if (joining !== null) this.context.forward({ ...record, key: joining[0], value: { newValue: joining[1], oldValue: null } })
  }

  #group(key: unknown, value: unknown): readonly [unknown, unknown] | null {
    if (value === null) return null
    const pair = this.#operator.map(key, value)
    return pair === null || pair[0] === null || pair[1] === null ? null : pair
  }
}
