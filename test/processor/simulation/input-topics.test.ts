import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Grouped,
  type KeyValueStore,
  Materialized,
  type Processor,
  type ProcessorContext,
  type Record,
  Repartitioned,
  SessionWindows,
  Stores,
  StreamsBuilder,
  TimeWindows,
  Topology,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { read, text, written } from '../../support/text-program.ts'

type Text = string | null

function copying(): TopologyTestDriver {
  const builder = new StreamsBuilder()
  builder.stream('in', read).to('out', written)
  return new TopologyTestDriver(builder.build(), { startTimeMs: 50 })
}

function timesIn(driver: TopologyTestDriver): number[] {
  return driver
    .createOutputTopic('out', text, text)
    .readRecordsToList()
    .map(({ timestamp }) => timestamp)
}

describe('An input topic of the test driver', () => {
  it('uses the wall clock’s time until its own time is advanced', async () => {
    await using driver = copying()
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('k', 'v')
    await driver.advanceWallClockTime(5)
    await input.pipeInput('k', 'v')
    input.advanceTime(7)
    await input.pipeInput('k', 'v')
    await driver.advanceWallClockTime(1_000)
    await input.pipeInput('k', 'v')
    assert.deepEqual(timesIn(driver), [50, 55, 62, 62])
  })

  it('advances from its start time with each record that has no time of its own', async () => {
    await using driver = copying()
    const input = driver.createInputTopic('in', text, text, { startTimestamp: 100, autoAdvanceMs: 10 })
    await input.pipeInput('k', 'a')
    await input.pipeInput('k', 'b', 5)
    await input.pipeInput({ key: 'k', value: 'c' })
    input.advanceTime(7)
    await input.pipeKeyValueList([
      ['k', 'd'],
      ['k', 'e'],
    ])
    await input.pipeValueList(['f'])
    assert.deepEqual(timesIn(driver), [100, 5, 110, 127, 137, 147])
  })

  it('advances from the wall clock if no start is given', async () => {
    await using driver = copying()
    const input = driver.createInputTopic('in', text, text, { autoAdvanceMs: 10 })
    await input.pipeValueList(['a', 'b'])
    assert.deepEqual(timesIn(driver), [50, 60])
  })

  it('gives the records of a list times that replace the records’ own, and does not change the topic’s time', async () => {
    await using driver = copying()
    const input = driver.createInputTopic('in', text, text, { startTimestamp: 100, autoAdvanceMs: 10 })
    await input.pipeRecordList(
      [
        { key: 'k', value: 'a', timestamp: 7 },
        { key: 'k', value: 'b' },
      ],
      { startTimestamp: 1_000, advanceMs: 3 },
    )
    await input.pipeRecordList([
      { key: 'k', value: 'c', timestamp: 7 },
      { key: 'k', value: 'd' },
    ])
    assert.deepEqual(timesIn(driver), [1_000, 1_003, 7, 100])
  })

  it('refuses to move its time back', async () => {
    await using driver = copying()
    const refused = { code: 'WAGGLE_INVALID_CONFIG', message: /-1 ms/ }
    assert.throws(() => driver.createInputTopic('in', text, text, { autoAdvanceMs: -1 }), refused)
    const input = driver.createInputTopic('in', text, text)
    assert.throws(() => input.advanceTime(-1), refused)
    await assert.rejects(input.pipeValueList(['a'], { startTimestamp: 5, advanceMs: -1 }), refused)
  })

  it('is refused if the program does not read it, even if the program writes it', async () => {
    await using driver = copying()
    for (const topic of ['unknown', 'out']) {
      await assert.rejects(driver.createInputTopic(topic, text, text).pipeInput('k', 'v'), {
        code: 'WAGGLE_MISSING_TOPIC',
        message: new RegExp(`does not read the topic ${topic}`),
        next: /: in\.$/,
      })
    }
  })

  it('can be an internal topic of the program, or the topic of a global table', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .repartition(Repartitioned.with(text, text, { name: 'r' }))
      .to('out', written)
    builder.globalTable('g', read)
    await using driver = new TopologyTestDriver(builder.build(), { applicationId: 'app' })
    await driver.createInputTopic('g', text, text).pipeInput('k', 'v')
    await driver.createInputTopic('app-r-repartition', text, text).pipeInput('k', 'v', 3)
    assert.deepEqual(timesIn(driver), [3])
  })
})

describe('A new topic that matches the pattern of a source', () => {
  class Numbering implements Processor<Text, Text, Text, Text> {
    #context: ProcessorContext<Text, Text> | null = null
    #number = 0
    init(context: ProcessorContext<Text, Text>): void {
      this.#context = context
    }
    process(record: Record<Text, Text>): void {
      this.#context?.forward({ ...record, value: `${record.value}${++this.#number}` })
    }
  }

  it('goes to the existing processors with their state, and is read after a crash too', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream(/a.*/, read)
      .process(() => new Numbering())
      .to('out', written)
    await using driver = new TopologyTestDriver(builder.build(), { partitions: { a3: 2 } })
    const values = () => driver.createOutputTopic('out', text, text).readValuesToList()
    await driver.createInputTopic('a1', text, text).pipeInput(null, 'x')
    await driver.createInputTopic('a2', text, text).pipeInput(null, 'x')
    await driver.createInputTopic('a1', text, text).pipeInput(null, 'x')
    assert.deepEqual(values(), ['x1', 'x2', 'x3'])
    const wide = driver.createInputTopic('a3', text, text)
    for (const key of ['a', 'd', 'a']) await wide.pipeInput(key, 'y')
    // The key d is in the second partition, which had no task until now.
    assert.deepEqual(values(), ['y4', 'y1', 'y5'])
    await driver.crash()
    await driver.createInputTopic('a2', text, text).pipeInput(null, 'z')
    assert.deepEqual(values(), ['z1'])
  })
})

describe('A task of the test driver with maxTaskIdleMs', () => {
  function merging(maxTaskIdleMs: number) {
    const topology = new Topology().addSource('s1', 'a', read).addSource('s2', 'b', read).addSink('k', 'out', ['s1', 's2'], written)
    const driver = new TopologyTestDriver(topology, { maxTaskIdleMs })
    const out = driver.createOutputTopic('out', text, text)
    return { driver, a: driver.createInputTopic('a', text, text), b: driver.createInputTopic('b', text, text), values: () => out.readValuesToList() }
  }

  // Kafka Streams' own driver gives the same results for these steps.
  it('waits for its empty inputs until that time is over', async () => {
    const { driver, a, b, values } = merging(1_000)
    const seen: (readonly (string | null)[])[] = []
    const step = async (...acts: readonly (() => Promise<void>)[]) => {
      for (const act of acts) await act()
      seen.push(values())
    }
    const clock = (ms: number) => () => driver.advanceWallClockTime(ms)
    await step(() => a.pipeInput('A', 'a'))
    await step(clock(1))
    await step(() => b.pipeInput('B', 'b'))
    await step(clock(998))
    await step(clock(2))
    await step(() => a.pipeInput('C', 'c'))
    await step(clock(999))
    await step(clock(1))
    await step(
      () => a.pipeInput('D', 'd'),
      clock(500),
      () => a.pipeInput('E', 'e'),
      clock(500),
    )
    await step(() => a.pipeInput('F', 'f'))
    assert.deepEqual(seen, [[], [], ['a'], [], ['b'], [], [], ['c'], ['d', 'e'], ['f']])
  })

  it('waits for no input with the default of 0', async () => {
    const { a, values } = merging(0)
    await a.pipeInput('A', 'a')
    assert.deepEqual(values(), ['a'])
  })
})

describe('The stores of the test driver', () => {
  it('are returned by name or all together, and a versioned store has its history', async () => {
    const builder = new StreamsBuilder()
    const supplier = Stores.persistentVersionedKeyValueStore('prices', { historyRetentionMs: 100 })
    builder.table('in', read, Materialized.as(supplier, { keySerde: text, valueSerde: text }))
    const visits = builder.stream('visits', read).groupByKey(Grouped.with(text, text))
    visits.count(Materialized.as('counts'))
    visits.windowedBy(TimeWindows.ofSizeWithNoGrace(10)).count(Materialized.as('windows'))
    visits.windowedBy(SessionWindows.ofInactivityGapWithNoGrace(10)).count(Materialized.as('sessions'))
    await using driver = new TopologyTestDriver(builder.build(), { partitions: { in: 2 } })
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('honey', '5', 10)
    await input.pipeInput('honey', '6', 20)
    const prices = driver.getVersionedKeyValueStore<string, string>('prices')
    assert.deepEqual(prices.get('honey'), { value: '6', timestamp: 20, validTo: null })
    assert.deepEqual(prices.get('honey', 15), { value: '5', timestamp: 10, validTo: 20 })
    assert.equal(prices.get('wax'), null)
    assert.throws(() => driver.getVersionedKeyValueStore('counts'), { code: 'WAGGLE_STORE_UNKNOWN' })
    await driver.createInputTopic('visits', text, text).pipeInput('k', 'v', 3)
    const stores = driver.getAllStateStores()
    assert.deepEqual([...stores.keys()].sort(), ['counts', 'prices', 'sessions', 'windows'])
    assert.equal((stores.get('counts') as KeyValueStore<string, number>).get('k'), 1)
  })
})
