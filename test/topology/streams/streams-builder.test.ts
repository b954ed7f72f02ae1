import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  BufferConfig,
  Consumed,
  EmitStrategy,
  type FixedKeyProcessorContext,
  Grouped,
  Joined,
  JoinWindows,
  type KeyValueStore,
  Materialized,
  Named,
  Produced,
  Serdes,
  Stores,
  StreamJoined,
  StreamsBuilder,
  Suppressed,
  TimeWindows,
  UnlimitedWindows,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const read = Consumed.with(text, text)

describe('Closed windows', () => {
  it('are emitted at most once an interval, and by the clock if no further record arrives', async () => {
    const builder = new StreamsBuilder()
    const other = builder.stream('other', read)
    builder
      .stream('in', read)
      .leftJoin(other, (left, right) => `${left}+${right}`, JoinWindows.ofTimeDifferenceWithNoGrace(10), StreamJoined.with(text, text, text))
      .to('out', Produced.with(text, text))
    builder
      .stream('clicks', read)
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .emitStrategy(EmitStrategy.onWindowClose())
      .count(Materialized.as('counts-per-10', { retentionMs: 1000 }))
      .toStream(Named.as('counts'))
      .map((windowed, count) => [windowed.key, String(count)] as const)
      .to('counted', Produced.with(text, text))
    await using driver = new TopologyTestDriver(builder.build(), { emitIntervalMs: 1000 })
    const input = driver.createInputTopic('in', text, text)
    const clicks = driver.createInputTopic('clicks', text, text)
    const [out, counted] = [driver.createOutputTopic('out', text, text), driver.createOutputTopic('counted', text, text)]
    // The table has no row when the first record comes.
    for (const timestamp of [0, 100]) {
      await input.pipeInput('k', `at ${timestamp}`, timestamp)
      await clicks.pipeInput('k', 'x', timestamp)
    }
    assert.equal(out.isEmpty(), true)
    assert.equal(counted.isEmpty(), true)
    await driver.advanceWallClockTime(1000)
    assert.deepEqual(
      out.readRecordsToList().map(({ value, timestamp }) => [value, timestamp]),
      [['at 0+null', 0]],
    )
    assert.deepEqual(
      counted.readRecordsToList().map(({ value }) => value),
      ['1'],
    )
  })
})

describe('Closed windows in a process that dies', () => {
  const program = (builder: StreamsBuilder) =>
    builder
      .stream('clicks', read)
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .emitStrategy(EmitStrategy.onWindowClose())
      .count(Materialized.as('counts-per-10', { retentionMs: 1000 }))
      .toStream(Named.as('counts'))
      .map((windowed, count) => [windowed.key, String(count)] as const)
      .to('counted', Produced.with(text, text))

  it('are not emitted again if the clock had emitted them and no record was read since', async () => {
    const builder = new StreamsBuilder()
    program(builder)
    await using driver = new TopologyTestDriver(builder.build(), { emitIntervalMs: 1000 })
    const clicks = driver.createInputTopic('clicks', text, text)
    const counted = driver.createOutputTopic('counted', text, text)
    await clicks.pipeInput('k', 'x', 0)
    await clicks.pipeInput('k', 'x', 100)
    await driver.advanceWallClockTime(1000)
    assert.equal(counted.readRecordsToList().length, 1)
    await driver.crash()
    await clicks.pipeInput('k', 'x', 105)
    await driver.advanceWallClockTime(1000)
    assert.deepEqual(counted.readRecordsToList(), [])
  })

  it('are emitted by the clock after the restart if they were not emitted before, even if no further record arrives', async () => {
    const builder = new StreamsBuilder()
    program(builder)
    await using driver = new TopologyTestDriver(builder.build(), { emitIntervalMs: 1000 })
    const clicks = driver.createInputTopic('clicks', text, text)
    const counted = driver.createOutputTopic('counted', text, text)
    await clicks.pipeInput('k', 'x', 0)
    await clicks.pipeInput('k', 'x', 100)
    await driver.crash()
    await driver.advanceWallClockTime(1000)
    assert.deepEqual(
      counted.readRecordsToList().map(({ value }) => value),
      ['1'],
    )
  })
})

describe('A source with a pattern', () => {
  it('reads each topic whose whole name matches the pattern', async () => {
    const builder = new StreamsBuilder()
    builder.stream(/in-\d/, read).to('out', Produced.with(text, text))
    const topology = builder.build()
    assert.match(topology.describe().toString(), /Source: KSTREAM-SOURCE-0000000000 \(topics: in-\\d\)/)
    await using driver = new TopologyTestDriver(topology)
    for (const topic of ['in-1', 'in-2']) await driver.createInputTopic(topic, text, text).pipeInput('k', topic)
    await assert.rejects(driver.createInputTopic('in-33', text, text).pipeInput('k', 'v'), { code: 'WAGGLE_MISSING_TOPIC' })
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['in-1', 'in-2'],
    )
  })
})

describe('A global store', () => {
  it('can be read by every processor, and written only by its own processor', async () => {
    const names = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('names'), text, text)
    const reading = (write: ((store: KeyValueStore<string, string>) => void) | null) => {
      const builder = new StreamsBuilder()
      builder.addGlobalStore(names, 'names', read, () => {
        let store: KeyValueStore<string, string> | null = null
        return {
          init(context) {
            store = context.getStateStore(names)
          },
          process: ({ key, value }) => store?.put(key ?? '', value),
        }
      })
      builder
        .stream('in', read)
        .processValues<string>(() => {
          let context: FixedKeyProcessorContext<string> | null = null
          return {
            init(given) {
              context = given
            },
            process(record) {
              const store = context?.getStateStore(names)
              if (store !== undefined) write?.(store)
              context?.forward({ ...record, value: store?.get(record.value ?? '') ?? 'nobody' })
            },
          }
        })
        .to('out', Produced.with(text, text))
      return new TopologyTestDriver(builder.build(), { partitions: { names: 2, in: 2 } })
    }
    await using driver = reading(null)
    const input = driver.createInputTopic('names', text, text)
    for (const [key, value] of [
      ['a', 'Ada'],
      ['b', 'Bo'],
      ['c', 'Cy'],
    ] as const)
      await input.pipeInput(key, value)
    for (const key of ['a', 'b', 'd']) await driver.createInputTopic('in', text, text).pipeInput(key, key)
    assert.deepEqual(
      driver
        .createOutputTopic('out', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['Ada', 'Bo', 'nobody'],
    )
    const writes = [
      (store: KeyValueStore<string, string>) => store.put('x', 'y'),
      (store: KeyValueStore<string, string>) => store.putAll([['x', 'y']]),
      (store: KeyValueStore<string, string>) => store.delete('x'),
    ]
    for (const write of writes) {
      await using writing = reading(write)
      await assert.rejects(writing.createInputTopic('in', text, text).pipeInput('k', 'v'), { code: 'WAGGLE_STORE_READ_ONLY' })
    }
  })

  it('calls the handler for a record at which its own processor fails (KIP-1270)', async () => {
    const builder = new StreamsBuilder()
    const names = Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore('names'), text, text)
    builder.addGlobalStore(names, 'names', read, () => ({
      process() {
        throw new Error('no name')
      },
    }))
    builder.stream('in', read).to('out', Produced.with(text, text))
    const asked: unknown[] = []
    const processingHandler = (error: Error, { topic }: { topic: string }) => {
      asked.push([topic, error.message.includes('no name')])
      return 'resume' as const
    }
    await using driver = new TopologyTestDriver(builder.build(), { processingHandler })
    await driver.createInputTopic('names', text, text).pipeInput('k', 'v')
    await driver.createInputTopic('in', text, text).pipeInput('k', 'v')
    assert.deepEqual(asked, [['names', true]])
    assert.equal(driver.createOutputTopic('out', text, text).readRecord().value, 'v')
  })
})

describe('A mistake in a program', () => {
  it('fails the start with its place if a serde is missing', () => {
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

  it('is refused: two stores with the same name', () => {
    const builder = new StreamsBuilder()
    const grouped = builder.stream('in', read).groupByKey()
    grouped.count(Materialized.as('counts'))
    grouped.count(Materialized.as('counts'))
    assert.throws(() => builder.build(), { code: 'WAGGLE_STORE_EXISTS' })
  })

  it('is refused: a suppression that waits for an unlimited window to close', () => {
    const windowed = new StreamsBuilder().stream('in', read).groupByKey(Grouped.with(text, text)).windowedBy(UnlimitedWindows.of())
    assert.throws(() => windowed.emitStrategy(EmitStrategy.onWindowClose()), { code: 'WAGGLE_INVALID_WINDOW' })
  })

  it('is refused by the call that makes it: an invalid window', () => {
    assert.throws(() => TimeWindows.ofSizeWithNoGrace(0), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => TimeWindows.ofSizeAndGrace(10, -1), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => TimeWindows.ofSizeWithNoGrace(10).advanceBy(11), { code: 'WAGGLE_INVALID_WINDOW' })
    assert.throws(() => JoinWindows.ofTimeDifferenceWithNoGrace(5).before(-6), { code: 'WAGGLE_INVALID_WINDOW' })
  })

  it('fails its record: a function that returns undefined', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapValues(() => undefined)
      .to('out', Produced.with(text, Serdes.json()))
    const driver = new TopologyTestDriver(builder.build())
    await assert.rejects(driver.createInputTopic('in', text, text).pipeInput('k', 'v'), /mapValues returned undefined/)
  })

  it('is refused: a suppression that waits for windows in a table without windows', () => {
    const table = new StreamsBuilder().table('in', read)
    assert.throws(() => table.suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded()) as never), { code: 'WAGGLE_INVALID_TOPOLOGY' })
  })

  it('is refused: a join with a grace and a table without history, or with too short a history', () => {
    const builder = new StreamsBuilder()
    const waiting = Joined.with(text, text, text, { gracePeriodMs: 10 })
    assert.throws(() => builder.stream('in', read).join(builder.table('plain', read), (a, b) => a + b, waiting), {
      code: 'WAGGLE_INVALID_TOPOLOGY',
      message: /needs a table with a versioned store/,
    })
    const supplier = Stores.persistentVersionedKeyValueStore('versions', { historyRetentionMs: 5 })
    const versions = builder.table('versioned', read, Materialized.as(supplier, { keySerde: text, valueSerde: text }))
    builder.stream('in', read).join(versions, (a, b) => a + b, waiting)
    assert.throws(() => builder.build(), {
      code: 'WAGGLE_INVALID_TOPOLOGY',
      message: /wait 10 ms for the table in versions, which keeps its history for 5 ms/,
    })
    assert.throws(() => versions.suppress(Suppressed.untilTimeLimit(1, BufferConfig.unbounded())), { code: 'WAGGLE_INVALID_TOPOLOGY' })
  })

  it('is refused: a topic that is read in two ways', () => {
    const refused = (message: RegExp, program: (builder: StreamsBuilder) => void) => {
      const builder = new StreamsBuilder()
      program(builder)
      assert.throws(() => builder.build(), { code: 'WAGGLE_INVALID_TOPOLOGY', message })
    }
    refused(/KSTREAM-SOURCE-0000000000 and KSTREAM-SOURCE-0000000002 both read the topic in/, (builder) => {
      builder.stream('in', read)
      builder.table('in', read)
    })
    refused(/overlapping topics that are not the same: a,b and b/, (builder) => {
      builder.stream(['a', 'b'], read)
      builder.stream('b', read)
    })
    refused(/read in from different places/, (builder) => {
      builder.stream('in', read)
      builder.stream('in', Consumed.with(text, text, { offsetReset: 'latest' }))
    })
  })

  it('does not compile if it is a mistake of types', () => {
    const builder = new StreamsBuilder()
    const strings = builder.stream('a', read)
    const counts = strings.groupBy((_, value) => value ?? '', Grouped.with(text, text)).count()
    // @ts-expect-error: the table's keys are text, the stream's are numbers
    builder.stream('b', Consumed.with(Serdes.long(), text)).join(counts, (value, count) => `${value}${count}`)
    // @ts-expect-error: a count is a number
    counts.toStream().to('c', Produced.with(text, text))
    // @ts-expect-error: values may be null until a filter excludes null
    strings.mapValues((value) => value.length)
    strings.filter((_, value): value is string => value !== null).mapValues((value) => value.length)
  })
})
