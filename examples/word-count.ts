/**
 * Word count: turns a stream of lines into a table of words with their counts.
 *
 *     npm run -s example examples/word-count.ts
 *
 * It runs on the embedded log, in a folder that is removed at the end. No other software is needed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'

const text = Serdes.string()

const builder = new StreamsBuilder()
builder
  .stream('lines', Consumed.with(text, text).skipNullValues())
  .flatMapValues((line) => line.toLowerCase().match(/[a-z]+/g) ?? [])
  // The word becomes the key, so all records of a word come to one task. They go through the topic `word-count-words-repartition`.
  .groupBy((_, word) => word, Grouped.with(text, text, { name: 'words' }))
  .count(Materialized.as('counts', { keySerde: text, valueSerde: Serdes.long() }))
  .toStream()
  .to('word-counts', Produced.with(text, Serdes.long()))

export const topology = builder.build()

export const lines = ['To be, or not to be', 'that is the question', 'to be is to do']

if (import.meta.main) {
  const stateDir = mkdtempSync(join(tmpdir(), 'word-count-'))
  try {
    // `cacheMaxBytes: 0` forwards each update. With a cache, updates of one word between two commits become one.
    await using streams = new Streams(topology, { applicationId: 'word-count', log: 'embedded', stateDir, cacheMaxBytes: 0 })
    await streams.start()
    for (const line of lines) await streams.send('lines', { key: null, value: line }, Produced.with(text, text))
    let left = lines.join(' ').split(' ').length
    for await (const { key, value } of streams.records('word-counts', Consumed.with(text, Serdes.long()))) {
      console.log(`${key?.padEnd(10)} ${value}`)
      if (--left === 0) break
    }
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}
