import type { ForeignKeyOperator } from './operators/foreign-key.ts'
import type { JoinByKey } from './operators/join-by-key.ts'
import type { StreamsOperator } from './operators/streams-operators.ts'
import type { Supplied } from './operators/supplied.ts'
import type { Transform } from './operators/transform.ts'

/** Every operator that a graph may contain. The field `op` tells the operators apart. Each type documents its own meaning. */
export type Operator = ForeignKeyOperator | JoinByKey | StreamsOperator | Supplied | Transform
