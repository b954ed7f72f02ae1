import { Consumed, Grouped, Materialized, Produced, Serdes, StreamsBuilder } from 'waggle-streams'

/** Counts the visits of each page, which come by their visitor. */
const text = Serdes.string()
const builder = new StreamsBuilder()
builder
  .stream('visits', Consumed.with(text, text).skipNullValues())
  .mapValues((visit) => (JSON.parse(visit) as { readonly page: string }).page)
  .groupBy((_, page) => page, Grouped.with(text, text, { name: 'pages' }))
  .count(Materialized.as('counts'))
  .toStream()
  .to('counted', Produced.with(text, Serdes.long()))

export const topology = builder.build()
