import type { Operator } from '../../topology/operator.ts'
import type { Processor } from '../../topology/processor-api.ts'
import { JoinByKeyProcessor } from '../operators/join-by-key.ts'
import type { OperatorContext } from '../operators/operator-context.ts'
import { EachProcessor } from '../operators/streams/each.ts'
import { ForeignKeySendProcessor } from '../operators/streams/foreign-key-send.ts'
import { ForeignTableJoinProcessor } from '../operators/streams/foreign-table-join.ts'
import { JoinWindowProcessor } from '../operators/streams/join-window.ts'
import { SessionAggregateProcessor } from '../operators/streams/session-aggregate.ts'
import { SlidingAggregateProcessor } from '../operators/streams/sliding-aggregate.ts'
import { StreamAggregateProcessor } from '../operators/streams/stream-aggregate.ts'
import { StreamSelfJoinProcessor } from '../operators/streams/stream-self-join.ts'
import { StreamStreamJoinProcessor } from '../operators/streams/stream-stream-join.ts'
import { StreamTableJoinProcessor } from '../operators/streams/stream-table-join.ts'
import { SubscriptionJoinProcessor } from '../operators/streams/subscription-join.ts'
import { SubscriptionReceiveProcessor } from '../operators/streams/subscription-receive.ts'
import { SubscriptionResolveProcessor } from '../operators/streams/subscription-resolve.ts'
import { SuppressProcessor } from '../operators/streams/suppress.ts'
import { TableAggregateProcessor } from '../operators/streams/table-aggregate.ts'
import { TableJoinProcessor } from '../operators/streams/table-join.ts'
import { TableMapProcessor } from '../operators/streams/table-map.ts'
import { TableMergeProcessor } from '../operators/streams/table-merge.ts'
import { TableRegroupProcessor } from '../operators/streams/table-regroup.ts'
import { TableSourceProcessor } from '../operators/streams/table-source.ts'
import { WindowAggregateProcessor } from '../operators/streams/window-aggregate.ts'
import { TransformProcessor } from '../operators/transform.ts'

/** A processor whose `init` receives the larger context of the engine's operators. */
export interface OperatorProcessor extends Omit<Processor<unknown, unknown, unknown, unknown>, 'init'> {
  init?(context: OperatorContext): void
}

type Makers = { readonly [Op in Operator['op']]: (operator: Extract<Operator, { op: Op }>) => unknown }

const makers: Makers = {
  'join-by-key': (operator) => new JoinByKeyProcessor(operator),
  supplied: ({ supplier }) => supplier(),
  transform: (operator) => new TransformProcessor(operator),
  each: (operator) => new EachProcessor(operator),
  'stream-aggregate': (operator) => new StreamAggregateProcessor(operator),
  'window-aggregate': (operator) => new WindowAggregateProcessor(operator),
  'sliding-aggregate': (operator) => new SlidingAggregateProcessor(operator),
  'session-aggregate': (operator) => new SessionAggregateProcessor(operator),
  'table-source': (operator) => new TableSourceProcessor(operator),
  'table-map': (operator) => new TableMapProcessor(operator),
  'table-regroup': (operator) => new TableRegroupProcessor(operator),
  'table-aggregate': (operator) => new TableAggregateProcessor(operator),
  'table-join': (operator) => new TableJoinProcessor(operator),
  'table-merge': (operator) => new TableMergeProcessor(operator),
  'stream-table-join': (operator) => new StreamTableJoinProcessor(operator),
  'join-window': (operator) => new JoinWindowProcessor(operator),
  'stream-stream-join': (operator) => new StreamStreamJoinProcessor(operator),
  'stream-self-join': (operator) => new StreamSelfJoinProcessor(operator),
  suppress: (operator) => new SuppressProcessor(operator),
  'foreign-key-send': (operator) => new ForeignKeySendProcessor(operator),
  'subscription-receive': (operator) => new SubscriptionReceiveProcessor(operator),
  'subscription-join': (operator) => new SubscriptionJoinProcessor(operator),
  'foreign-table-join': (operator) => new ForeignTableJoinProcessor(operator),
  'subscription-resolve': (operator) => new SubscriptionResolveProcessor(operator),
}

/** Makes the processor of an operator for one task. */
export function operatorProcessor(operator: Operator): OperatorProcessor {
  return (makers[operator.op] as (operator: Operator) => unknown)(operator) as OperatorProcessor
}
