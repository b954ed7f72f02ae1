import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Consumed, Grouped, Serdes, StreamsBuilder } from 'waggle-streams'

const text = Serdes.string()

describe('The one repartition topic for all below a change of keys', () => {
  it('may bear the name of one that it replaces, with other steps between the two', () => {
    const builder = new StreamsBuilder()
    const read = Consumed.with(text, text)
    const names = builder.globalTable('names', read)
    const rekeyed = builder.stream('visits', read).map((key, value) => [value, key])
    rekeyed
      .leftJoin(
        names,
        (key) => key,
        (value, name) => `${value} ${name}`,
      )
      .groupByKey(Grouped.with(text, text, { name: 'by-name' }))
      .count()
    const described = builder.build({ optimization: 'all' }).describe().toString()
    assert.match(described, /Source: by-name-repartition-source \(topics: \[by-name-repartition\]\)\s+--> KSTREAM-LEFTJOIN-/)
    assert.match(described, /KSTREAM-LEFTJOIN-\d+ \(stores: \[\]\)\s+--> KSTREAM-AGGREGATE-/)
  })
})
