import type { JoinByKey } from './operators/join-by-key.ts'

/** Every operator that a graph may hold, told apart by `op`. What each means is described beside its type. */
export type Operator = JoinByKey
