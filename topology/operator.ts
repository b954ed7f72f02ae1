import type { Accept } from './operators/accept.ts'
import type { Deduplicate } from './operators/deduplicate.ts'
import type { ForeignKeyOperator } from './operators/foreign-key.ts'
import type { JoinByKey } from './operators/join-by-key.ts'
import type { RequestLedger } from './operators/request-ledger.ts'
import type { StreamsOperator } from './operators/streams.ts'
import type { Transform } from './operators/transform.ts'

/** Every operator that a graph may contain. `op` distinguishes them, and each type documents its meaning. */
export type Operator = Accept | Deduplicate | ForeignKeyOperator | JoinByKey | RequestLedger | StreamsOperator | Transform
