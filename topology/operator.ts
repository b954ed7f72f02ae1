import type { ForeignKeyOperator } from './operators/foreign-key.ts'
import type { JoinByKey } from './operators/join-by-key.ts'
import type { StreamsOperator } from './operators/streams.ts'
import type { Supplied } from './operators/supplied.ts'
import type { Transform } from './operators/transform.ts'

/** Every operator that a graph may contain. `op` distinguishes them, and each type documents its meaning. */
export type Operator = ForeignKeyOperator | JoinByKey | StreamsOperator | Supplied | Transform
