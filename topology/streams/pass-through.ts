import type { StreamsOperator } from '../operators/streams-operators.ts'

/** Forwards every record unchanged, for merges and branches. */
export const passThrough: StreamsOperator = { op: 'each', each: (record, forward) => forward(record) }
