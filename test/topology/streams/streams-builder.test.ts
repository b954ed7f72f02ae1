import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { BufferConfig, Consumed, Grouped, JoinWindows, Materialized, Produced, Serdes, StreamsBuilder, Suppressed, TimeWindows } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text)

describe('A mistake in a program', () => {
  it('that leaves out a serde says where, at the start', () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapValues(() => 7)
      .to('out')
    assert.throws(() => new TopologyTestDriver(builder.build()), {
      code: 'WAGGLE_SERDE_MISSING',
      message: /KSTREAM-SINK-0000000002 has no serde for its values/,
    })
  })

  it('of two stores with one name is refused', () => {
    const builder = new StreamsBuilder()
    const grouped = builder.stream('in', read).groupByKey()
    grouped.count(Materialized.as('counts'))
    grouped.count(Materialized.as('counts'))
    assert.throws(() => builder.build(), { code: 'WAGGLE_STORE_EXISTS' })
  })

  it('of a window that cannot be is refused by the call that made it', () => {
    assert.throws(() => TimeWindows.ofSizeWithNoGrace(0), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => TimeWindows.ofSizeAndGrace(10, -1), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => TimeWindows.ofSizeWithNoGrace(10).advanceBy(11), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => JoinWindows.ofTimeDifferenceWithNoGrace(5).before(-6), { code: 'WAGGLE_INVALID_WINDOW' })
  })

  it('that forgets to return is an error, and not a value', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapValues(() => undefined)
      .to('out', Produced.with(text, Serdes.json()))
    const driver = new TopologyTestDriver(builder.build())
    await assert.rejects(driver.createInputTopic('in', text, text).pipeInput('k', 'v'), /mapValues returned undefined/)
  })

  it('that waits for windows of a table that has none is refused', () => {
    const table = new StreamsBuilder().table('in', read)
    assert.throws(() => table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()) as never), { code: 'WAGGLE_INVALID_TOPOLOGY' })
  })

  it('of types does not compile', () => {
    const builder = new StreamsBuilder()
    const strings = builder.stream('a', read)
    const counts = strings.groupBy((_, value) => value ?? '', Grouped.with(text, text)).count()
    // @ts-expect-error: the table's keys are text, the stream's are numbers
    builder.stream('b', Consumed.with(Serdes.long(), text)).join(counts, (value, count) => `${value}${count}`)
    // @ts-expect-error: a count is a number
    counts.toStream().to('c', Produced.with(text, text))
    // @ts-expect-error: values may be null until something takes that out
    strings.mapValues((value) => value.length)
    strings.filter((_, value): value is string => value !== null).mapValues((value) => value.length)
  })
})
