import { Consumed, Materialized, Produced, Serdes, StreamsBuilder } from '../../bees/index.ts'

/**
 * A program that takes a few microseconds for each record. It reads visits as JSON, adds up the times of each visit's steps, and counts the long
 * visits of each visitor.
 */
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
