import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  Joined,
  JoinWindows,
  type KStream,
  Materialized,
  Produced,
  Repartitioned,
  Serdes,
  StreamJoined,
  StreamsBuilder,
  TableJoined,
  Topology,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const defaults = { defaultKeySerde: text, defaultValueSerde: text }

/** Runs a program on lines `key=value` of the topic `in`. The application's serdes are text. Returns the records of the topic `out`. */
async function outputs(program: (builder: StreamsBuilder) => void, lines: readonly string[], topics: readonly string[] = ['in']): Promise<string> {
  const builder = new StreamsBuilder()
  program(builder)
  await using driver = new TopologyTestDriver(builder.build(), defaults)
  for (const topic of topics) {
    const input = driver.createInputTopic(topic, text, text)
    for (const line of lines) {
      const [key = '', value = ''] = line.split('=')
      await input.pipeInput(key, value, 0)
    }
  }
  const records = driver.createOutputTopic('out', text, text).readRecordsToList()
  return records.map(({ key, value }) => `${key}=${value}`).join(' ')
}

const texts = (builder: StreamsBuilder): KStream<string, string> =>
  builder.stream('in', Consumed.as<string, string>('texts').skipNullKeys().skipNullValues())

describe('The application’s default serdes', () => {
  it('are used by a stream and a sink without options', async () => {
    const program = (builder: StreamsBuilder) => builder.stream<string, string>('in').to('out')
    assert.equal(await outputs(program, ['a=1']), 'a=1')
  })

  it('are used by a table and a global table without options', async () => {
    const program = (builder: StreamsBuilder) => {
      const others = builder.globalTable<string, string>('others')
      builder
        .table<string, string>('in')
        .toStream()
        .join(
          others,
          (key) => key,
          (value, other) => `${value}+${other}`,
        )
        .to('out')
    }
    assert.equal(await outputs(program, ['a=1'], ['others', 'in']), 'a=1+1')
  })

  it('are used by a source and a sink of a Topology', async () => {
    const topology = new Topology()
      .addSource('source', 'in', Consumed.as<string, string>('unused'))
      .addSink('sink', 'out', ['source'], Produced.as<string, string>('unused'))
    await using driver = new TopologyTestDriver(topology, defaults)
    await driver.createInputTopic('in', text, text).pipeInput('a', '1')
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, '1')
  })

  it('are used by a grouping with only a name, whose topic has that name', async () => {
    const builder = new StreamsBuilder()
    texts(builder)
      .groupBy((_, value) => value, Grouped.as('by-value'))
      .reduce((all, value) => all + value)
      .toStream()
      .to('out')
    const topology = builder.build()
    assert.match(topology.describe().toString(), /by-value-repartition/)
    await using driver = new TopologyTestDriver(topology, { ...defaults, applicationId: 'app' })
    await driver.createInputTopic('in', text, text).pipeInput('a', '1')
    assert.equal(driver.createOutputTopic('app-by-value-repartition', text, text).readRecord().key, '1')
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, '1')
  })

  it('are used by a repartition with a name and a number of partitions', async () => {
    const builder = new StreamsBuilder()
    texts(builder)
      .repartition(Repartitioned.as('spread', { numberOfPartitions: 3 }))
      .to('out')
    await using driver = new TopologyTestDriver(builder.build(), { ...defaults, applicationId: 'app' })
    await driver.createInputTopic('in', text, text).pipeInput('a', '1')
    assert.equal(driver.createOutputTopic('app-spread-repartition', text, text).readRecord().value, '1')
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, '1')
  })

  it('are used by a join with a table', async () => {
    const program = (builder: StreamsBuilder) =>
      texts(builder)
        .selectKey((key) => key)
        .join(builder.table('table', Consumed.as<string, string>('table-source')), (value, other) => `${value}+${other}`, Joined.as('joined'))
        .to('out', Produced.as('sink'))
    assert.equal(await outputs(program, ['a=1'], ['table', 'in']), 'a=1+1')
  })

  it('are used by a join of streams, whose stores have the given name', async () => {
    const builder = new StreamsBuilder()
    const windows = JoinWindows.ofTimeDifferenceWithNoGrace(10)
    texts(builder)
      .join(builder.stream<string, string>('other'), (value, other) => `${value}+${other}`, windows, StreamJoined.as('pairs'))
      .to('out')
    const topology = builder.build()
    assert.deepEqual([...topology.stores.keys()], ['pairs-this-join-store', 'pairs-other-join-store'])
    await using driver = new TopologyTestDriver(topology, defaults)
    for (const topic of ['other', 'in']) await driver.createInputTopic(topic, text, text).pipeInput('a', '1', 0)
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, '1+1')
  })

  it('are used by a foreign-key join with only a name, whose topics have that name', async () => {
    const builder = new StreamsBuilder()
    const [left, right] = [builder.table<string, string>('in'), builder.table<string, string>('other')]
    left
      .join(
        right,
        (value) => value,
        (value, other) => `${value}+${other}`,
        Materialized.as('kept'),
        TableJoined.as('linked'),
      )
      .toStream()
      .to('out')
    const topology = builder.build()
    assert.match(topology.describe().toString(), /linked-subscription-registration-topic/)
    await using driver = new TopologyTestDriver(topology, defaults)
    await driver.createInputTopic('other', text, text).pipeInput('x', 'X')
    await driver.createInputTopic('in', text, text).pipeInput('a', 'x')
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, 'x+X')
  })

  it('are used by a store whose serdes are null', async () => {
    const program = (builder: StreamsBuilder) =>
      texts(builder)
        .groupByKey()
        .aggregate(
          () => '',
          (_, value, all) => all + value,
          Materialized.with<string, string>(null, null),
        )
        .toStream()
        .to('out')
    assert.equal(await outputs(program, ['a=1', 'a=2']), 'a=1 a=12')
  })
})

describe('A serde that is given beside a name', () => {
  it('is used instead of the default', async () => {
    const long = Serdes.long()
    const builder = new StreamsBuilder()
    builder
      .stream('in', Consumed.as<string, number>('numbers', { valueSerde: long }).skipNullKeys().skipNullValues())
      .groupBy((key) => key, Grouped.as('by-key', { valueSerde: long }))
      .reduce((sum, value) => sum + value, Materialized.with<string, number>(null, long))
      .toStream()
      .to('out', Produced.as('sums', { valueSerde: long, partitioner: () => 0 }))
    await using driver = new TopologyTestDriver(builder.build(), defaults)
    const input = driver.createInputTopic('in', text, long)
    for (const value of [1, 2]) await input.pipeInput('a', value)
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, long)
        .readRecordsToList()
        .map(({ value }) => value),
      [1, 3],
    )
  })
})

describe('A missing serde', () => {
  it('fails the start with the name of the node that lacks it', () => {
    const builder = new StreamsBuilder()
    builder.stream('in', Consumed.as<string, string>('lines')).to('out', Produced.as('sink'))
    assert.throws(() => new TopologyTestDriver(builder.build()), { code: 'WAGGLE_SERDE_MISSING', message: /^lines has no serde for its keys$/ })
  })
})

describe('An invalid name of a step', () => {
  it('is refused by the call that gives it', () => {
    const refused = { code: 'WAGGLE_INVALID_TOPOLOGY' }
    for (const as of [
      () => Grouped.as('a b'),
      () => Joined.as('a b'),
      () => Repartitioned.as(''),
      () => StreamJoined.as('a b'),
      () => TableJoined.as('a b'),
    ])
      assert.throws(as, refused)
    const builder = new StreamsBuilder()
    assert.throws(() => builder.stream('in', Consumed.as('a b')), refused)
    assert.throws(() => builder.stream('in').to('out', Produced.as('a b')), refused)
  })
})
