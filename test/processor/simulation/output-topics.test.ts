import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Grouped, Materialized, Produced, Repartitioned, Serdes, StreamsBuilder } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, text, written } from '../../support/text-program.ts'

describe('An output topic of the test driver', () => {
  it('returns each record once, however many steps read the topic', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to('out', written)
    await using driver = new TopologyTestDriver(builder.build())
    for (const value of ['a', 'b', 'c']) await driver.createInputTopic('in', text, text).pipeInput('k', value)
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, 'a')
    const one = driver.createOutputTopic('out', text, text)
    const other = driver.createOutputTopic('out', text, Serdes.bytes())
    assert.equal(one.readRecord().value, 'b')
    assert.deepEqual(other.readRecordsToList(), [{ key: 'k', value: Buffer.from('c'), timestamp: 0, headers: [] }])
    assert.ok(one.isEmpty())
    assert.throws(() => one.readRecord(), { code: 'WAGGLE_NO_RECORD', message: /out/ })
    assert.deepEqual(one.readRecordsToList(), [])
  })

  it('returns the records that the program sent, and none that a test piped in', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .filter((_, value) => value === 'again')
      .mapValues(() => 'done')
      .to('in', written)
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    const output = driver.createOutputTopic('in', text, text)
    assert.ok(output.isEmpty())
    await input.pipeInput('k', 'again', 3)
    assert.deepEqual(output.readRecordsToList(), [{ key: 'k', value: 'done', timestamp: 3, headers: [] }])
    assert.ok(driver.createOutputTopic('nobody’s', text, text).isEmpty())
  })

  it('can be one of the program’s internal topics', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .groupBy((_, value) => value, Grouped.with(text, text, { name: 'by-value' }))
      .count(Materialized.as('counts'))
      .toStream()
      .repartition(Repartitioned.with(text, Serdes.long(), { name: 'counted' }))
      .to('out', Produced.with(text, Serdes.long()))
    await using driver = new TopologyTestDriver(builder.build(), { applicationId: 'app' })
    await driver.createInputTopic('in', text, text).pipeInput('k', 'v', 5)
    const first = <V>(topic: string, serde: Parameters<typeof driver.createOutputTopic<string, V>>[2]) =>
      driver.createOutputTopic(topic, text, serde).readRecord()
    assert.deepEqual(first('app-by-value-repartition', text), { key: 'v', value: 'v', timestamp: 5, headers: [] })
    assert.deepEqual(first('app-counted-repartition', Serdes.long()), { key: 'v', value: 1, timestamp: 5, headers: [] })
    assert.deepEqual(first('out', Serdes.long()), { key: 'v', value: 1, timestamp: 5, headers: [] })
  })

  it('returns nulls as null, and fails with the place of a record that its serde cannot read', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to('out', written)
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput(null, null)
    await input.pipeInput('k', 'text')
    const output = driver.createOutputTopic('out', Serdes.long(), Serdes.long())
    assert.deepEqual(output.readRecord(), { key: null, value: null, timestamp: 0, headers: [] })
    assert.throws(() => output.readRecord(), { code: 'WAGGLE_INVALID_VALUE', message: /out/ })
  })
})

describe('The short methods of an output topic', () => {
  const copied = async (...records: readonly (readonly [string | null, string | null])[]) => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to('out', written)
    const driver = new TopologyTestDriver(builder.build())
    await driver.createInputTopic('in', text, text).pipeKeyValueList(records)
    return driver.createOutputTopic('out', text, text)
  }

  it('return one value or pair at a time, and the number of remaining records', async () => {
    const out = await copied(['a', '1'], ['b', null], ['c', '3'], ['d', '4'])
    assert.equal(out.readValue(), '1')
    assert.deepEqual(out.readKeyValue(), ['b', null])
    assert.equal(out.queueSize, 2)
    assert.deepEqual(out.readKeyValuesToList(), [
      ['c', '3'],
      ['d', '4'],
    ])
    assert.equal(out.queueSize, 0)
    assert.throws(() => out.readValue(), { code: 'WAGGLE_NO_RECORD' })
    assert.throws(() => out.readKeyValue(), { code: 'WAGGLE_NO_RECORD' })
    assert.deepEqual((await copied(['a', '1'], [null, '2'])).readValuesToList(), ['1', '2'])
  })

  it('return the newest value of each key, including deletions, in the order of the keys’ first records', async () => {
    const out = await copied(['b', '1'], ['a', '2'], ['b', '3'], ['a', null])
    assert.deepEqual(
      [...out.readKeyValuesToMap()],
      [
        ['b', '3'],
        ['a', null],
      ],
    )
    assert.deepEqual(out.readKeyValuesToMap(), new Map())
  })

  it('refuse to make a map of records without a key', async () => {
    const out = await copied([null, '1'])
    assert.throws(() => out.readKeyValuesToMap(), { code: 'WAGGLE_NULL_KEY', message: /out/ })
  })
})

describe('The topics that a program has written to', () => {
  it('include topics that the program reads itself, and no topic that only the test has used', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .repartition(Repartitioned.with(text, text, { name: 'r' }))
      .to('middle', written)
    builder.stream('middle', read).to('out', written)
    await using driver = new TopologyTestDriver(builder.build(), { applicationId: 'app' })
    const out = driver.createOutputTopic('out', text, text)
    driver.createOutputTopic('nobody’s', text, text)
    assert.deepEqual(driver.producedTopicNames, [])
    await driver.createInputTopic('in', text, text).pipeInput('k', 'v')
    await driver.createInputTopic('middle', text, text).pipeInput('k', 'w')
    assert.deepEqual(driver.producedTopicNames, ['app-r-repartition', 'middle', 'out'])
    assert.deepEqual(out.readValuesToList(), ['v', 'w'])
    assert.deepEqual(driver.createOutputTopic('middle', text, text).readValuesToList(), ['v'])
  })
})
