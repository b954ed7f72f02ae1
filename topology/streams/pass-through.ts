import type { StreamsOperator } from '../operators/streams.ts'

/** Everything goes on as it is: merges, and branches. */
export const passThrough: StreamsOperator = { op: 'each', each: (record, forward) => forward(record) }
