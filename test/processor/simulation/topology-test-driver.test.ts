import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Consumed,
  EmitStrategy,
  Grouped,
  JoinWindows,
  Materialized,
  Produced,
  Repartitioned,
  type Serde,
  Serdes,
  SessionWindows,
  StreamJoined,
  StreamsBuilder,
  TimestampExtractors,
  TimeWindows,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

const text = Serdes.string()
const numbers = Serdes.long()

function wordCount() {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', Consumed.with(text, text))
    .flatMapValues((line) => (line ?? '').split(' '))
    .groupBy((_, word) => word, Grouped.with(text, text))
    .count(Materialized.as('counts'))
    .toStream()
    .to('words', Produced.with(text, numbers))
  return builder.build()
}

describe('The test driver', () => {
  it('has all results of a record when pipeInput ends, even across sub-topologies', async () => {
    await using driver = new TopologyTestDriver(wordCount())
    const lines = driver.createInputTopic('lines', text, text)
    const words = driver.createOutputTopic('words', text, numbers)
    await lines.pipeInput(null, 'teddy bear teddy', 5)
    assert.deepEqual(
      words.readRecordsToList().map(({ key, value, timestamp }) => [key, value, timestamp]),
      [
        ['teddy', 1, 5],
        ['bear', 1, 5],
        ['teddy', 2, 5],
      ],
    )
    assert.ok(words.isEmpty())
    assert.throws(() => words.readRecord(), { code: 'WAGGLE_NO_RECORD' })
  })

  it('gives a record without a time the wall clock’s time, and keeps its headers', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', Consumed.with(text, text)).to('out')
    await using driver = new TopologyTestDriver(builder.build(), { startTimeMs: 100 })
    const input = driver.createInputTopic('in', text, text)
    await driver.advanceWallClockTime(50)
    await input.pipeInput({ key: 'k', value: 'v', headers: [{ key: 'h', value: Buffer.from('1') }] })
    const record = driver.createOutputTopic('out', text, text).readRecord()
    assert.equal(record.timestamp, 150)
    assert.deepEqual(record.headers, [{ key: 'h', value: Buffer.from('1') }])
  })

  it('opens serdes before they write, and waits until they are prepared before they read', async () => {
    const seen: string[] = []
    const fetching: Serde<string> = {
      ...text,
      open: async ({ topic, part }) => void seen.push(`open ${topic} ${part}`),
      prepare: async (topic) => void seen.push(`prepare ${topic}`),
    }
    const builder = new StreamsBuilder()
    const stream = builder.stream('in', Consumed.with(text, fetching)).repartition(Repartitioned.with(text, fetching, { name: 'again' }))
    stream.to('out', Produced.with(text, fetching))
    await using driver = new TopologyTestDriver(builder.build())
    await driver.createInputTopic('in', text, fetching).pipeInput('k', 'v')
    assert.equal(driver.createOutputTopic('out', text, fetching).readRecord().value, 'v')
    assert.deepEqual(seen.toSorted(), [
      'open in value',
      'open out value',
      'open test-again-repartition value',
      'prepare in',
      'prepare test-again-repartition',
    ])
  })

  it('gives access to the stores', async () => {
    await using driver = new TopologyTestDriver(wordCount())
    await driver.createInputTopic('lines', text, text).pipeInput(null, 'a b a', 5)
    assert.deepEqual(driver.getKeyValueStore<string, number>('counts').get('a'), 2)
    assert.throws(() => driver.getKeyValueStore('others'), { code: 'WAGGLE_STORE_UNKNOWN' })
  })

  it('continues after a crash from the last commit: counts, windows, sessions and joins', async () => {
    const builder = new StreamsBuilder()
    const left = builder.stream('left', Consumed.with(text, text))
    const right = builder.stream('right', Consumed.with(text, text))
    left
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeAndGrace(10, 5))
      .count(Materialized.as('windows'))
      .toStream()
      .foreach(() => {})
    left
      .groupByKey()
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5))
      .count(Materialized.as('sessions'))
      .toStream()
      .foreach(() => {})
    left
      .join(right, (a, b) => `${a}+${b}`, JoinWindows.ofTimeDifferenceWithNoGrace(5), StreamJoined.with(text, text, text))
      .to('joined', Produced.with(text, text))
    await using driver = new TopologyTestDriver(builder.build())
    const lefts = driver.createInputTopic('left', text, text)
    await lefts.pipeInput('k', 'one', 1)
    await driver.crash()
    await lefts.pipeInput('k', 'two', 3)
    await driver.createInputTopic('right', text, text).pipeInput('k', 'three', 4)
    assert.deepEqual(
      driver
        .createOutputTopic('joined', text, text)
        .readRecordsToList()
        .map(({ value }) => value),
      ['one+three', 'two+three'],
    )
    assert.equal(driver.getWindowStore<string, number>('windows').fetch('k', 0), 2)
    const sessions = [...driver.getSessionStore<string, number>('sessions').fetch('k')]
    assert.deepEqual(sessions, [[{ key: 'k', window: { start: 1, end: 3 } }, 2]])
  })

  it('takes a record’s timestamp from the program’s extractor, and drops a record that the extractor rejects', async () => {
    const builder = new StreamsBuilder()
    const seconds = (record: { readonly value: unknown }) => Number(record.value) * 1000
    builder.stream('in', Consumed.with(text, text, { timestampExtractor: seconds }).skipNullKeys().skipNullValues()).to('out')
    builder.stream('clock', Consumed.with(text, text, { timestampExtractor: TimestampExtractors.wallclock })).to('out')
    builder.stream('plain', Consumed.with(text, text)).to('out')
    await using driver = new TopologyTestDriver(builder.build(), { startTimeMs: 7 })
    const input = driver.createInputTopic('in', text, text)
    for (const [key, value] of [
      ['k', '3'],
      ['k', '-1'],
      [null, '4'],
      ['k', null],
    ] as const)
      await input.pipeInput(key, value, 1)
    await driver.createInputTopic('clock', text, text).pipeInput('k', 'v', 1)
    const out = driver.createOutputTopic('out', text, text).readRecordsToList()
    assert.deepEqual(
      out.map(({ value, timestamp }) => [value, timestamp]),
      [
        ['3', 3000],
        ['v', 7],
      ],
    )
    await assert.rejects(driver.createInputTopic('plain', text, text).pipeInput('k', 'v', -5), { code: 'WAGGLE_INVALID_TIMESTAMP' })
  })

  it('finds windows and sessions with current times after a crash, before new records come', async () => {
    const now = 1_764_000_000_000
    const builder = new StreamsBuilder()
    const stream = builder.stream('in', Consumed.with(text, text))
    stream
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeAndGrace(10, 5))
      .count(Materialized.as('windows'))
      .toStream()
      .foreach(() => {})
    stream
      .groupByKey()
      .windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5))
      .emitStrategy(EmitStrategy.onWindowClose())
      .count(Materialized.as('sessions'))
      .toStream()
      .map((session, count) => [`${session.key}@${session.window.end - now}`, String(count)] as const)
      .to('closed', Produced.with(text, text))
    await using driver = new TopologyTestDriver(builder.build())
    const input = driver.createInputTopic('in', text, text)
    await input.pipeInput('k', 'one', now)
    await driver.crash()
    assert.equal(driver.getWindowStore<string, number>('windows').fetch('k', now), 1)
    assert.equal([...driver.getSessionStore<string, number>('sessions').fetch('k')].length, 1)
    await input.pipeInput('k', 'two', now + 100)
    assert.deepEqual(
      driver
        .createOutputTopic('closed', text, text)
        .readRecordsToList()
        .map(({ key, value }) => [key, value]),
      [['k@0', '1']],
    )
  })
})
