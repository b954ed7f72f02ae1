import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'

const text = Serdes.string()

const builder = new StreamsBuilder()
builder
  .stream('lines', Consumed.with(text, text).skipNullValues())
  .flatMapValues((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])
  .groupBy((_, word) => word, Grouped.with(text, text, { name: 'words' }))
  .count(Materialized.as('counts', { keySerde: text, valueSerde: Serdes.long() }))
  .toStream()
  .to('word-counts', Produced.with(text, Serdes.long()))

export const topology = builder.build()

if (import.meta.main) {
  const lines = ['To be, or not to be', 'that is the question']
  // The counts are stored in `.waggle`, so a second run continues with them. `cacheMaxBytes: 0` forwards each update at once.
  await using streams = new Streams(topology, { applicationId: 'word-count', log: 'embedded', stateDir: '.waggle', cacheMaxBytes: 0 })
  await streams.start()
  for (const line of lines) await streams.send('lines', { key: null, value: line }, Produced.with(text, text))
  let left = lines.join(' ').split(' ').length
  for await (const { key, value } of streams.records('word-counts', Consumed.with(text, Serdes.long()))) {
    console.log(`${key} ${value}`)
    if (--left === 0) break
  }
}
