import assert from 'node:assert/strict'
import { after, afterEach, beforeEach, it } from 'node:test'
import {
  Consumed,
  Grouped,
  KeyQuery,
  Materialized,
  Named,
  Produced,
  RangeQuery,
  Serdes,
  Streams,
  StreamsBuilder,
  type StreamsConfig,
  TimeWindows,
  type Topology,
  WaggleError,
  WindowKeyQuery,
  WindowRangeQuery,
} from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log, TopicSpec } from '../../processor/ports.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)
const written = Produced.with(text, text)

function wordCount(options: { readonly logging?: { readonly [setting: string]: string } } = {}): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', read)
    .flatMapValues((line) => (line ?? '').split(' '))
    .groupBy((_, word) => word, Grouped.with(text, text, { name: 'words' }))
    .count(Materialized.as('counts', options))
    .toStream()
    .to('counted', Produced.with(text, Serdes.long()))
  return builder.build()
}

describeWithKafka('Streams on Kafka', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  let log: Log
  let clear: () => Promise<void>
  const running: Streams[] = []

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    clear = under.close
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.close({ timeoutMs: 10_000 }).catch(() => {})))
    await clear()
  })
  after(() => directories.remove())

  const topic = (name: string, partitions = 2): TopicSpec => ({ name, partitions, cleanup: 'delete', retentionMs: null })
  const program = (topology: Topology, more: Partial<StreamsConfig> = {}, client?: 'kafkajs') => {
    const kafka = { brokers: cluster().brokers, ...(client === undefined ? {} : { client }) }
    const made = new Streams(topology, { applicationId: 'words', log: { kafka }, stateDir: directories.make(), commitIntervalMs: 20, ...more })
    running.push(made)
    return made
  }

  for (const [name, more, client] of [
    ['at least once', {}, undefined],
    ['exactly once', { processing: 'exactly_once' }, undefined],
    ['on two threads', { numThreads: 2 }, undefined],
    ['through kafkajs', {}, 'kafkajs'],
  ] as const) {
    it(`a program counts words, answers queries, and continues after a stop, ${name}`, async () => {
      await log.createTopics([topic('lines'), topic('counted')])
      const stateDir = directories.make()
      const states: string[] = []
      const first = program(wordCount(), { ...more, stateDir }, client)
      first.onStateChange((to) => states.push(to))
      await first.start()
      assert.deepEqual(states, ['REBALANCING', 'RUNNING'])
      const sent = await first.send('lines', { key: null, value: 'teddy bear teddy' }, written)
      assert.equal(sent.topic, 'lines')
      await counted(first, { teddy: 2, bear: 1 })
      const answers = await first.query({ store: 'counts', query: KeyQuery.withKey<string, number>('teddy') })
      assert.deepEqual([...answers.values()].filter(Boolean), [2])
      await first.close({ timeoutMs: 20_000 })
      assert.equal(first.failure, null)

      const second = program(wordCount(), { ...more, stateDir }, client)
      await second.start()
      await second.send('lines', { key: null, value: 'teddy' }, written)
      await counted(second, { teddy: 3, bear: 1 })
    })
  }

  it('a program deletes processed records of its repartition topics, and none of other topics', async () => {
    await log.createTopics([topic('lines', 1), topic('counted', 1)])
    const streams = program(wordCount(), { repartitionPurgeIntervalMs: 0 })
    await streams.start()
    for (let at = 1; at <= 20; at++) {
      await streams.send('lines', { key: null, value: 'teddy bear' }, written)
      await counted(streams, { teddy: at, bear: at })
    }
    const offsets = async (name: string) => (await log.topic(name))?.offsets[0] ?? { start: 0, end: 0 }
    for (;;) {
      const { start, end } = await offsets('words-words-repartition')
      if (end === 40 && start >= 38) break
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    assert.equal((await offsets('lines')).start, 0)
    assert.equal((await offsets('words-counts-changelog')).start, 0)
    assert.equal(streams.failure, null)
  })

  it('a program tells a listener about the progress of each restore', async () => {
    await log.createTopics([topic('lines', 1), topic('counted', 1)])
    const first = program(wordCount())
    await first.start()
    await first.send('lines', { key: null, value: 'teddy bear teddy' }, written)
    await counted(first, { teddy: 2, bear: 1 })
    await first.close({ timeoutMs: 20_000 })
    const second = program(wordCount())
    const told: string[] = []
    const place = { store: 'counts', topic: 'words-counts-changelog', partition: 0 }
    second.setGlobalStateRestoreListener({
      onRestoreStart: ({ startingOffset, endingOffset, taskId, ...of }) => {
        assert.deepEqual(of, place)
        told.push(`${taskId} ${startingOffset < endingOffset}`)
      },
      onBatchRestored: ({ numRestored }) => void told.push(`${numRestored > 0}`),
      onRestoreEnd: ({ totalRestored }) => void told.push(`${totalRestored >= 2}`),
      onRestoreSuspended: () => assert.fail('nothing takes the task away'),
    })
    await second.start()
    assert.deepEqual(told, ['1_0 true', 'true', 'true'])
    assert.throws(() => second.setGlobalStateRestoreListener({}), { code: 'WAGGLE_ALREADY_STARTED' })
    assert.throws(() => second.setStandbyUpdateListener({}), { code: 'WAGGLE_ALREADY_STARTED' })
  })

  it('a program creates changelogs and repartition topics with the settings of Kafka Streams, and uses existing ones', async () => {
    await log.createTopics([topic('lines', 3), topic('counted')])
    await program(wordCount({ logging: { 'segment.ms': '600000' } })).start()
    const changelog = await log.topic('words-counts-changelog')
    assert.deepEqual([changelog?.partitions, changelog?.cleanup, changelog?.retentionMs], [3, 'compact', null])
    assert.equal((await log.topic('words-words-repartition'))?.partitions, 3)
  })

  it('a program refuses a changelog of another topology', async () => {
    await log.createTopics([topic('lines'), topic('counted'), { ...topic('words-counts-changelog', 5), cleanup: 'compact' }])
    const streams = program(wordCount())
    await assert.rejects(streams.start(), { code: 'WAGGLE_TOPIC_MISMATCH' })
    assert.equal(streams.state, 'ERROR')
  })

  it('one of two applications with the same id runs, and the other application reports the conflict', async () => {
    await log.createTopics([topic('lines'), topic('counted')])
    const counting = program(wordCount())
    await counting.start()
    const builder = new StreamsBuilder()
    builder
      .stream('lines', read)
      .filter(() => false, Named.as('none'))
      .to('counted', written)
    const other = program(builder.build())
    await assert.rejects(other.start(), {
      code: 'WAGGLE_TOPOLOGY_DIFFERS',
      message: /it reads lines, words-words-repartition and keeps counts; this one reads lines\./,
    })
    assert.equal(other.state, 'ERROR')
    assert.equal(other.failure?.code, 'WAGGLE_TOPOLOGY_DIFFERS')
    const waiting = program(builder.build(), { uncaughtExceptionHandler: () => 'REPLACE_THREAD' })
    await waiting.start()
    assert.deepEqual([waiting.state, waiting.failure?.code], ['RUNNING', 'WAGGLE_TOPOLOGY_DIFFERS'])
    await counting.send('lines', { key: null, value: 'teddy bear' }, written)
    await counted(counting, { teddy: 1, bear: 1 })
  })

  it('a program names all missing topics at once, and does not create them', async () => {
    const streams = program(wordCount(), { deadLetterTopic: 'dead' })
    await assert.rejects(streams.start(), { code: 'WAGGLE_MISSING_TOPIC', message: /topics dead, lines, counted do not exist/ })
    await log.createTopics([topic('lines')])
    await assert.rejects(program(wordCount()).start(), { code: 'WAGGLE_MISSING_TOPIC', message: /topic counted does not exist/ })
    assert.equal(await log.topic('counted'), null)
    const other = program(wordCount(), { applicationId: 'other', deadLetterTopic: 'dead' })
    await assert.rejects(other.start(), { code: 'WAGGLE_MISSING_TOPIC' })
  })

  it('a program locks its state directory', async () => {
    await log.createTopics([topic('lines'), topic('counted')])
    const stateDir = directories.make()
    await program(wordCount(), { stateDir }).start()
    await assert.rejects(program(wordCount(), { stateDir }).start(), { code: 'WAGGLE_DATA_DIR_IN_USE' })
  })

  it('a program names the address if no broker answers', async () => {
    const log = { kafka: { brokers: ['127.0.0.1:9'] } }
    await assert.rejects(program(wordCount(), { log }).start(), { code: 'WAGGLE_LOG_UNREACHABLE' })
  })

  it('a program has the whole global table in each of its processes', async () => {
    await log.createTopics([topic('in', 4), topic('names', 2), topic('out', 4)])
    const topology = () => {
      const builder = new StreamsBuilder()
      const names = builder.globalTable('names', read, Materialized.as('names'))
      builder
        .stream('in', read)
        .join(
          names,
          (_, value) => value ?? '',
          (value, name) => `${value} is ${name}`,
        )
        .to('out', written)
      return builder.build()
    }
    const two = [program(topology(), { applicationId: 'global' }), program(topology(), { applicationId: 'global' })]
    const [first, second] = two
    assert.ok(first && second)
    const sender = await log.producer()
    const send = (to: string, partition: number, key: string, value: string) =>
      sender.send({ topic: to, partition, key: Buffer.from(key), value: Buffer.from(value), timestamp: 1, headers: [] })
    await Promise.all([send('names', 0, '1', 'one'), send('names', 1, '2', 'two')])
    await Promise.all(two.map((one) => one.start()))
    await send('names', 1, '3', 'three')
    const all = async (one: Streams) => {
      const answers = await Promise.all(['1', '2', '3'].map((key) => one.query({ store: 'names', query: KeyQuery.withKey<string, string>(key) })))
      return answers.flatMap((answer) => [...answer.values()])
    }
    for (const one of two) {
      while ((await all(one)).includes(null as never)) await new Promise((resolve) => setTimeout(resolve, 10))
      assert.deepEqual(await all(one), ['one', 'two', 'three'])
    }
    for (let partition = 0; partition < 4; partition++) await send('in', partition, 'k', String(1 + (partition % 3)))
    const told: string[] = []
    for await (const { value } of first.records('out', read)) {
      told.push(value ?? '')
      if (told.length === 4) break
    }
    assert.deepEqual(told.sort(), ['1 is one', '1 is one', '2 is two', '3 is three'])
    await sender.close()
  })

  it('a program answers queries from all of its processes, and reports a store that is moving', async () => {
    await log.createTopics([topic('visits', 4)])
    const topology = () => {
      const builder = new StreamsBuilder()
      const grouped = builder.stream('visits', read).groupByKey(Grouped.with(text, text, { name: 'g' }))
      grouped.count(Materialized.as('counts'))
      grouped.windowedBy(TimeWindows.ofSizeWithNoGrace(1000)).count(Materialized.as('windows'))
      return builder.build()
    }
    const more = { applicationId: 'asked', applicationServer: '127.0.0.1:0', applicationServerSecret: 'only-for-these-two' }
    const [first, second] = [program(topology(), more), program(topology(), more)]
    await Promise.all([first.start(), second.start()])
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    for (const key of all) await first.send('visits', { key, value: 'x', timestamp: 500 }, written)
    const keys = async (one: Streams) => {
      const found: string[] = []
      const answers = await one.query({ store: 'counts', query: RangeQuery.withRange<string, number>(null, null) })
      assert.deepEqual([...answers.keys()].toSorted(), [0, 1, 2, 3])
      for (const rows of answers.values()) for await (const [key, count] of rows) found.push(`${key}${count}`)
      return found.toSorted()
    }
    // Each of the two processes returns all rows, whichever process has them.
    const both = () => Promise.all([first, second].map((one) => keys(one).catch(migrated)))
    const wanted = all.map((key) => `${key}1`)
    for (let found = await both(); found.some((one) => one.join() !== wanted.join()); ) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      found = await both()
    }
    for (const one of [first, second]) {
      const visits = await one.query({ store: 'counts', query: KeyQuery.withKey<string, number>('a') })
      assert.deepEqual([...visits.values()].filter(Boolean), [1])
      const windows = await one.query({ store: 'windows', query: WindowKeyQuery.withKeyAndWindowStartRange<string, number>('b', 0, 5000) })
      assert.deepEqual([...windows.values()].flat(), [[0, 1]])
      const ranges = await one.query({ store: 'windows', query: WindowRangeQuery.withWindowStartRange<string, number>(0, 5000) })
      const seen: string[] = []
      for (const rows of ranges.values())
        for await (const [{ key, window }, count] of rows) seen.push(`${key}[${window.start},${window.end}]${count}`)
      assert.deepEqual(
        seen.toSorted(),
        all.map((key) => `${key}[0,1000]1`),
      )
      await assert.rejects(one.query({ store: 'nothing', query: KeyQuery.withKey('a') }), { code: 'WAGGLE_STORE_UNKNOWN' })
      await assert.rejects(one.query({ store: 'windows', query: KeyQuery.withKey('a'), partitions: [0, 1, 2, 3] }), {
        code: 'WAGGLE_QUERY_NOT_SUPPORTED',
      })
    }
    await first.close({ timeoutMs: 10_000 })
    for (let found = await keys(second).catch(migrated); found.join() !== wanted.join(); ) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      found = await keys(second).catch(migrated)
    }
  })

  function migrated(thrown: unknown): readonly string[] {
    assert.ok(thrown instanceof WaggleError && thrown.code === 'WAGGLE_STORE_MIGRATED', String(thrown))
    return []
  }

  async function counted(streams: Streams, wanted: { readonly [word: string]: number }): Promise<void> {
    const found = new Map<string, number>()
    for await (const { key, value } of streams.records('counted', Consumed.with(text, Serdes.long()))) {
      found.set(key ?? '', value ?? 0)
      if (Object.entries(wanted).every(([word, count]) => found.get(word) === count)) break
    }
    assert.deepEqual(Object.fromEntries(found), wanted)
  }
})
