import type { Operator } from '../../topology/operator.ts'
import type { Processor } from '../../topology/processor-api.ts'
import { AcceptProcessor } from './accept.ts'
import { DeduplicateProcessor } from './deduplicate.ts'
import { JoinByKeyProcessor } from './join-by-key.ts'
import { RequestLedgerProcessor } from './request-ledger.ts'
import { TransformProcessor } from './transform.ts'

/** What does an operator, made anew for each task. */
export function operatorProcessor(operator: Operator): Processor<unknown, unknown, unknown, unknown> {
  switch (operator.op) {
    case 'accept':
      return new AcceptProcessor(operator) as Processor<unknown, unknown, unknown, unknown>
    case 'deduplicate':
      return new DeduplicateProcessor(operator) as Processor<unknown, unknown, unknown, unknown>
    case 'join-by-key':
      return new JoinByKeyProcessor(operator) as Processor<unknown, unknown, unknown, unknown>
    case 'request-ledger':
      return new RequestLedgerProcessor(operator) as Processor<unknown, unknown, unknown, unknown>
    case 'transform':
      return new TransformProcessor(operator)
  }
}
