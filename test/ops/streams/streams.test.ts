import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, describe, it } from 'node:test'
import {
  Consumed,
  Grouped,
  KeyQuery,
  type KStream,
  Materialized,
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
import { TemporaryDirectories } from '../../support/temporary-directories.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)
const written = Produced.with(text, text)
const counts = Consumed.with(text, Serdes.long())
const directories = new TemporaryDirectories('streams')
after(() => directories.remove())

function config(more: Partial<StreamsConfig> = {}): StreamsConfig {
  const stateDir = directories.make()
  return { applicationId: 'words', log: 'embedded', stateDir, commitIntervalMs: 5, ...more }
}

function wordCount(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('lines', read)
    .flatMapValues((line) => (line ?? '').split(' '))
    .groupBy((_, word) => word, Grouped.with(text, text, { name: 'words' }))
    .count(Materialized.as('counts'))
    .toStream()
    .to('counted', Produced.with(text, Serdes.long()))
  return builder.build()
}

function toUpper(map: (stream: KStream<string | null, string | null>) => KStream<string | null, string>): Topology {
  const builder = new StreamsBuilder()
  map(builder.stream('in', read)).to('out', Produced.with(text, text))
  return builder.build()
}

async function take<T>(records: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const record of records) if (taken.push(record) === count) break
  return taken
}

describe('A program on the embedded log', () => {
  it('counts words, answers queries, and continues after a stop', async () => {
    const settings = config({ cacheMaxBytes: 0 })
    const states: string[] = []
    const first = new Streams(wordCount(), settings)
    first.onStateChange((to) => states.push(to))
    assert.equal(first.state, 'CREATED')
    await first.start()
    await first.send('lines', { key: null, value: 'teddy bear teddy' }, written)
    const told = await take(first.records('counted', counts), 3)
    assert.deepEqual(
      told.map(({ key, value }) => [key, value]),
      [
        ['teddy', 1],
        ['bear', 1],
        ['teddy', 2],
      ],
    )
    const answer = await first.query({ store: 'counts', query: KeyQuery.withKey<string, number>('teddy') })
    assert.deepEqual([...answer], [[0, 2]])
    assert.deepEqual(
      [...(await first.query({ store: 'counts', query: KeyQuery.withKey<string, number>('teddy'), enableStaleStores: true }))],
      [[0, 2]],
    )
    const lags = await first.allLocalStorePartitionLags()
    assert.deepEqual([...(lags.get('counts') ?? [])], [[0, { currentOffsetPosition: 0n, endOffsetPosition: 0n, offsetLag: 0 }]])
    await first.close({ timeoutMs: 10_000 })
    assert.deepEqual(states, ['REBALANCING', 'RUNNING', 'PENDING_SHUTDOWN', 'NOT_RUNNING'])

    await using second = new Streams(wordCount(), settings)
    await second.start()
    await second.send('lines', { key: null, value: 'teddy' }, written)
    assert.equal((await take(second.records('counted', counts), 4)).at(-1)?.value, 3)
    const range = (await second.query({ store: 'counts', query: RangeQuery.withRange<string, number>(null, 'c') })).get(0)
    assert.deepEqual(await Array.fromAsync(range ?? []), [['bear', 1]])
    const processed = second.metrics.filter(({ name, group }) => group === 'stream-task-metrics' && name === 'process-total')
    assert.equal(
      processed.reduce((sum, { value }) => sum + value, 0),
      2,
    )
  })

  it('answers queries of windows by key and by time', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('clicks', read)
      .groupByKey()
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .count(Materialized.as('clicks-per-10', { retentionMs: 1000 }))
      .toStream()
      .foreach(() => {})
    await using streams = new Streams(builder.build(), config())
    await streams.start()
    for (const [key, timestamp] of [
      ['a', 1],
      ['a', 5],
      ['b', 12],
      ['a', 13],
    ] as const)
      await streams.send('clicks', { key, value: 'x', timestamp }, written)
    const a = { store: 'clicks-per-10', query: WindowKeyQuery.withKeyAndWindowStartRange<string, number>('a', 0, 100) }
    while ((await streams.query(a)).get(0)?.length !== 2) await streams.send('clicks', { key: 'c', value: 'x', timestamp: 1 }, written)
    assert.deepEqual((await streams.query(a)).get(0), [
      [0, 2],
      [10, 1],
    ])
    const all = (await streams.query({ store: 'clicks-per-10', query: WindowRangeQuery.withWindowStartRange<string, number>(10, 10) })).get(0)
    assert.deepEqual(
      (await Array.fromAsync(all ?? [])).map(([{ key }, count]) => [key, count]),
      [
        ['a', 1],
        ['b', 1],
      ],
    )
    await assert.rejects(streams.query({ store: 'clicks-per-10', query: KeyQuery.withKey('a') }), { code: 'WAGGLE_QUERY_NOT_SUPPORTED' })
    await assert.rejects(streams.query({ store: 'nothing', query: KeyQuery.withKey('a') }), { code: 'WAGGLE_STORE_UNKNOWN' })
    await assert.rejects(streams.query({ ...a, partitions: [7] }), { code: 'WAGGLE_STORE_MIGRATED' })
  })

  it('joins with a global table that already has all earlier records', async () => {
    const settings = config()
    const builder = new StreamsBuilder()
    const names = builder.globalTable('names', read, Materialized.as('names'))
    builder
      .stream('visits', read)
      .join(
        names,
        (_, who) => who,
        (who, name) => `${who} is ${name}`,
      )
      .to('greetings', written)
    const other = new StreamsBuilder()
    other.stream('unrelated', read).foreach(() => {})
    await using writer = new Streams(other.build(), { ...settings, applicationId: 'writer' })
    await writer.start()
    await writer.send('names', { key: 'b', value: 'Bruno' }, written)
    await using streams = new Streams(builder.build(), settings)
    await streams.start()
    await streams.send('visits', { key: 'v', value: 'b' }, written)
    assert.equal((await take(streams.records('greetings', read), 1))[0]?.value, 'b is Bruno')
    assert.deepEqual([...(await streams.query({ store: 'names', query: KeyQuery.withKey<string, string>('b') }))], [[0, 'Bruno']])
  })

  it('processes nothing while it is paused', async () => {
    await using streams = new Streams(
      toUpper((stream) => stream.mapValues((value) => (value ?? '').toUpperCase())),
      config(),
    )
    await streams.start()
    streams.pause()
    await streams.send('in', { key: 'k', value: 'a' }, written)
    const processed = () => streams.metrics.find(({ name, group }) => group === 'stream-thread-metrics' && name === 'process-total')?.value
    assert.equal(processed(), 0)
    streams.resume()
    assert.equal((await take(streams.records('out', read), 1))[0]?.value, 'A')
    assert.equal(processed(), 1)
  })

  it('lets results of other keys overtake a slow result, up to the number that a commit can note', async () => {
    const slow = Promise.withResolvers<string>()
    await using streams = new Streams(
      toUpper((stream) =>
        stream.mapAsync(async (value) => (value === 'slow' ? slow.promise : (value ?? '')), { concurrency: 10, timeoutMs: 60_000, ordered: 'key' }),
      ),
      config(),
    )
    await streams.start()
    await streams.send('in', { key: 's', value: 'slow' }, written)
    const count = 4200
    for (let at = 0; at < count; at++) void streams.send('in', { key: `k${at}`, value: String(at) }, written)
    const out = streams.records('out', read)[Symbol.asyncIterator]()
    const overtaken: (string | null)[] = []
    while (overtaken.length < 4095) overtaken.push((await out.next()).value?.value)
    assert.deepEqual(
      overtaken,
      Array.from({ length: 4095 }, (_, at) => String(at)),
    )
    slow.resolve('at last')
    const rest: (string | null)[] = []
    while (rest.length < count - 4095 + 1) rest.push((await out.next()).value?.value)
    // Only records that were sent before the slow result may come first.
    assert.equal(rest[0], 'at last')
  })

  it('shares its tasks between threads that are added and removed', async () => {
    await using streams = new Streams(wordCount(), config({ numThreads: 2 }))
    await streams.start()
    assert.equal(await streams.addThread(), 'words-StreamThread-3')
    assert.equal(await streams.removeThread(), 'words-StreamThread-3')
    assert.equal(streams.metrics.find(({ name }) => name === 'alive-stream-threads')?.value, 2)
    await streams.send('lines', { key: null, value: 'a b' }, written)
    assert.deepEqual((await take(streams.records('counted', counts), 2)).map(({ key }) => key).sort(), ['a', 'b'])
  })
})

describe('The input of a program', () => {
  it('is processed in the order of timestamps over all topics of a task, with any amount of buffered records (KIP-695)', async () => {
    const settings = config({ applicationId: 'merge' })
    const builder = new StreamsBuilder()
    builder.stream(['a', 'b'], read).to('out', written)
    await using writer = new Streams(wordCount(), { ...settings, applicationId: 'writer' })
    await writer.start()
    const count = 20_000
    const sent: Promise<unknown>[] = []
    for (let time = 0; time < count; time++) {
      sent.push(writer.send(time % 3 === 0 ? 'a' : 'b', { key: 'k', value: String(time), timestamp: time }, written))
    }
    await Promise.all(sent)
    await using streams = new Streams(builder.build(), settings)
    await streams.start()
    const times = (await take(streams.records('out', read), count)).map(({ timestamp }) => timestamp)
    assert.deepEqual(
      times,
      Array.from({ length: count }, (_, time) => time),
    )
  })

  it('consists of the topics that match its pattern, from the offset that its source sets', async () => {
    const settings = config({ applicationId: 'pattern' })
    await using writer = new Streams(wordCount(), { ...settings, applicationId: 'writer' })
    await writer.start()
    await writer.send('bears-1', { key: 'k', value: 'old' }, written)
    await writer.send('bears-2', { key: 'k', value: 'old' }, written)
    await writer.send('teddies', { key: 'k', value: 'no bear' }, written)
    const builder = new StreamsBuilder()
    builder.stream(/bears-.*/, Consumed.with(text, text, { offsetReset: 'latest' })).to('out', written)
    await using streams = new Streams(builder.build(), settings)
    await streams.start()
    for (const topic of ['teddies', 'bears-1', 'bears-2']) await streams.send(topic, { key: 'k', value: `new in ${topic}` }, written)
    assert.deepEqual((await take(streams.records('out', read), 2)).map(({ value }) => value).sort(), ['new in bears-1', 'new in bears-2'])
  })
})

describe('A record at which a program fails', () => {
  const throwing = () =>
    toUpper((stream) =>
      stream.mapValues((value) => {
        if (value === 'bad') throw new RangeError('no bears here')
        return value ?? ''
      }),
    )

  it('stops the client if no handler skips the failure, and no result of the record is committed', async () => {
    const settings = config()
    const streams = new Streams(throwing(), settings)
    const ended = new Promise((resolve) => streams.onStateChange((to) => to === 'ERROR' && resolve(to)))
    await streams.start()
    await streams.send('in', { key: 'k', value: 'bad' }, written)
    await ended
    assert.equal(streams.failure?.code, 'WAGGLE_PROCESSING_FAILED')
    assert.match(streams.failure?.message ?? '', /KSTREAM-MAPVALUES-0000000001 failed in processing: no bears here/)
    await streams.close({ timeoutMs: 1000 })
    await using again = new Streams(throwing(), { ...settings, processingHandler: () => 'resume' })
    await again.start()
    await again.send('in', { key: 'k', value: 'good' }, written)
    assert.equal((await take(again.records('out', read), 1))[0]?.value, 'good')
  })

  it('becomes a dead letter with the cause and a warning if a handler skips the failure (KIP-1034)', async () => {
    const failed: string[] = []
    const warned = once(process, 'warning') as Promise<(Error & { readonly detail: string })[]>
    await using streams = new Streams(
      throwing(),
      config({
        deadLetterTopic: 'dead',
        processingHandler: (error, { node, topic, offset }) => {
          failed.push(`${error.code} ${node} ${topic} ${offset}`)
          return 'resume'
        },
      }),
    )
    await streams.start()
    await streams.send('in', { key: 'k', value: 'bad' }, written)
    const [letter] = await take(streams.records('dead', read), 1)
    assert.deepEqual([letter?.key, letter?.value], ['k', 'bad'])
    const said = new Map(letter?.headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()]))
    assert.equal(said.get('__streams.errors.exception'), 'RangeError')
    assert.equal(said.get('__streams.errors.message'), 'no bears here')
    assert.equal(said.get('__streams.errors.topic'), 'in')
    assert.equal(said.get('__streams.errors.offset'), '0')
    assert.deepEqual(failed, ['WAGGLE_PROCESSING_FAILED KSTREAM-MAPVALUES-0000000001 in 0'])
    const [warning] = await warned
    assert.deepEqual(
      [warning?.name, warning?.message, warning?.detail],
      [
        'WAGGLE_PROCESSING_FAILED',
        'KSTREAM-MAPVALUES-0000000001 failed in processing: no bears here (task 0_0, topic in, partition 0, offset 0)',
        'The handler resumes: the record is left out, and is in dead.',
      ],
    )
    assert.equal(streams.failure, null)
  })
})

describe('Invalid settings of a program', () => {
  const refused = (settings: StreamsConfig, code: string) =>
    assert.throws(
      () => new Streams(wordCount(), settings),
      (error) => error instanceof WaggleError && error.code === code,
    )

  it('are refused before anything is opened', () => {
    refused({ applicationId: 'no spaces', log: 'embedded' }, 'WAGGLE_INVALID_CONFIG')
    for (const wrong of [
      { numThreads: 0 },
      { numThreads: 1.5 },
      { commitIntervalMs: -1 },
      { emitIntervalMs: Number.NaN },
      { standbyReplicas: -1 },
      { maxTaskIdleMs: -2 },
      { repartitionPurgeIntervalMs: -1 },
      { applicationServer: 'nowhere' },
      { applicationServerSecret: 'too short' },
      { processing: 'maybe' as never },
      { deadLetterTopic: 'two words' },
      { processingHandler: 'resume' as never },
      { uncaughtExceptionHandler: 'SHUTDOWN_CLIENT' as never },
    ])
      refused({ applicationId: 'a', log: 'embedded', ...wrong }, 'WAGGLE_INVALID_CONFIG')
    const unnamed = new StreamsBuilder()
    unnamed.stream('in', read).groupByKey().count()
    assert.throws(() => new Streams(unnamed.build(), { applicationId: 'a', log: 'embedded', ensureExplicitInternalResourceNaming: true }), {
      code: 'WAGGLE_NAME_MISSING',
      message: /KSTREAM-AGGREGATE-STATE-STORE-0000000001/,
    })
  })
})
