import type { StreamsOperator } from '../operators/streams.ts'

/** Sends every record on unchanged, for merges and branches. */
export const passThrough: StreamsOperator = { op: 'each', each: (record, forward) => forward(record) }
