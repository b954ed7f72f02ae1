import { Consumed, Materialized, Produced, Serdes, StreamsBuilder } from '../../bees/index.ts'

/** Reads visits as JSON, sums up their steps, and counts the long ones by visitor: a program that costs a few microseconds a record. */
const text = Serdes.string()
const builder = new StreamsBuilder()
builder
  .stream('visits', Consumed.with(text, text).skipNullValues())
  .mapValues((visit) => (JSON.parse(visit) as { readonly steps: readonly { readonly ms: number }[] }).steps.reduce((sum, { ms }) => sum + ms, 0))
  .filter((_, ms) => ms >= 0)
  .mapValues(String)
  .groupByKey()
  .count(Materialized.as('counts'))
  .toStream()
  .to('counted', Produced.with(text, Serdes.long()))

export const topology = builder.build()
