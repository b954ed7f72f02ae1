import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  BufferConfig,
  Consumed,
  EmitStrategy,
  Grouped,
  JoinWindows,
  Materialized,
  type Metric,
  Produced,
  Serdes,
  type SessionStore,
  SessionWindows,
  SlidingWindows,
  Stores,
  StreamJoined,
  Streams,
  StreamsBuilder,
  type StreamsConfig,
  Suppressed,
  TimeWindows,
  type Topology,
  type WindowStore,
} from 'waggle-streams'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { lintExposition, parseExposition } from '../../support/exposition-parser.ts'

const text = Serdes.string()
const read = Consumed.with(text, text)
const written = Produced.with(text, text)
const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

async function running(topology: Topology, more: Partial<StreamsConfig> = {}): Promise<Streams> {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-metrics-'))
  directories.push(stateDir)
  const streams = new Streams(topology, { applicationId: 'measured', log: 'embedded', stateDir, commitIntervalMs: 5, ...more })
  await streams.start()
  return streams
}

function upper(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('in', read)
    .mapValues((value) => {
      if (value === 'bad') throw new Error('bad')
      return (value ?? '').toUpperCase()
    })
    .to('out', written)
  return builder.build()
}

function metric(metrics: readonly Metric[], group: string, name: string, tags: { readonly [tag: string]: string } = {}): number | undefined {
  const found = metrics.filter(
    (one) => one.group === group && one.name === name && Object.entries(tags).every(([tag, value]) => one.tags[tag] === value),
  )
  assert.ok(found.length <= 1, `${name} is there ${found.length} times`)
  return found[0]?.value
}

async function until(happened: () => boolean): Promise<void> {
  while (!happened()) await new Promise(setImmediate)
}

async function sent(streams: Streams, records: readonly (readonly [key: string | null, value: string, timestamp: number])[]): Promise<void> {
  for (const [key, value, timestamp] of records) await streams.send('in', { key, value, timestamp }, written)
  await until(() => {
    const processed = metric(streams.metrics, 'stream-thread-metrics', 'process-total') ?? 0
    return processed >= records.length
  })
}

describe('The metrics of an application', () => {
  it('include the state of the application, numbered as in Kafka Streams, and its threads', async () => {
    await using streams = await running(upper(), { numThreads: 2 })
    const client = (name: string) => metric(streams.metrics, 'stream-metrics', name, { 'client-id': 'measured' })
    assert.deepEqual(
      [client('client-state'), client('alive-stream-threads'), client('failed-stream-threads'), client('recording-level')],
      [2, 2, 0, 0],
    )
    const state = (thread: string) => metric(streams.metrics, 'stream-thread-metrics', 'thread-state', { 'thread-id': thread })
    assert.deepEqual([state('measured-StreamThread-1'), state('measured-StreamThread-2')], [4, 4])
    const processes = streams.metrics.filter(({ tags }) => 'process-id' in tags)
    assert.deepEqual([...new Set(processes.map(({ name }) => name))].sort(), ['client-state', 'recording-level', 'thread-state'])
    assert.equal(new Set(processes.map(({ tags }) => tags['process-id'])).size, 1)
    await streams.removeThread()
    assert.equal(client('alive-stream-threads'), 1)
  })

  it('include the lag of each partition that it reads, under the metric name of Kafka’s consumers', async () => {
    await using streams = await running(upper())
    const lag = () => metric(streams.metrics, 'consumer-fetch-manager-metrics', 'records-lag', { topic: 'in', partition: '0' })
    await sent(streams, [['a', 'x', 1]])
    assert.equal(lag(), 0)
    streams.pause()
    for (const value of ['y', 'z', 'w']) await streams.send('in', { key: 'a', value, timestamp: 2 }, written)
    await until(() => lag() === 3)
    streams.resume()
    await until(() => lag() === 0)
    assert.equal(metric(streams.metrics, 'stream-thread-metrics', 'process-total'), 4)
  })

  it('include polls, records, commits and tasks of the threads, and the shares of the threads’ time', async () => {
    await using streams = await running(upper())
    await sent(streams, [
      ['a', 'x', 1],
      ['b', 'y', 2],
    ])
    await until(() => (metric(streams.metrics, 'stream-thread-metrics', 'commit-total') ?? 0) > 0)
    const { metrics } = streams
    const thread = (name: string) => metric(metrics, 'stream-thread-metrics', name, { 'thread-id': 'measured-StreamThread-1' })
    assert.equal(thread('process-total'), 2)
    assert.equal(thread('task-created-total'), 1)
    assert.equal(thread('task-closed-total'), 0)
    for (const name of ['poll-total', 'poll-rate', 'poll-latency-avg', 'poll-latency-max', 'poll-records-avg', 'process-rate']) {
      assert.ok((thread(name) ?? 0) > 0, name)
    }
    for (const name of ['process-latency-avg', 'process-latency-max', 'commit-latency-avg', 'commit-latency-max', 'process-records-max']) {
      assert.ok((thread(name) ?? 0) > 0, name)
    }
    const ratios = ['poll-ratio', 'process-ratio', 'punctuate-ratio', 'commit-ratio'].map((name) => thread(name) ?? -1)
    assert.ok(Math.abs(ratios.reduce((sum, ratio) => sum + ratio, 0) - 1) < 0.01, `${ratios}`)
    assert.ok((thread('blocked-time-ns-total') ?? 0) > 0)
    assert.ok(Math.abs((thread('thread-start-time') ?? 0) - Date.now()) < 60_000)
  })

  it('include records, late records, dropped records, and skipped failures of its tasks', async () => {
    await using streams = await running(upper(), { processingHandler: () => 'resume' })
    await sent(streams, [
      ['a', 'x', 100],
      ['b', 'bad', 40],
    ])
    const { metrics } = streams
    const task = (name: string) => metric(metrics, 'stream-task-metrics', name, { 'thread-id': 'measured-StreamThread-1', 'task-id': '0_0' })
    assert.deepEqual([task('process-total'), task('dropped-records-total')], [2, 1])
    assert.deepEqual([task('record-lateness-max'), task('record-lateness-avg')], [60, 30])
    assert.equal(task('active-buffer-count'), 0)
    assert.ok((task('process-latency-avg') ?? 0) > 1000, 'nanoseconds')
    assert.ok((task('active-process-ratio') ?? 0) <= 1)
  })

  describe('count a record as dropped once', () => {
    const grouped = (builder: StreamsBuilder) => builder.stream('in', read).groupByKey()
    const other = (builder: StreamsBuilder) => builder.stream('other', read)
    const pair = (left: string | null, right: string | null) => `${left}+${right}`
    const within = JoinWindows.ofTimeDifferenceAndGrace(10, 5)
    const joined = StreamJoined.with(text, text, text)
    const tooLate: { readonly [what: string]: (builder: StreamsBuilder) => unknown } = {
      'it comes too late for the window store of an inner join': (builder) => builder.stream('in', read).join(other(builder), pair, within, joined),
      'it comes too late for the window store of a left join, which still forwards it': (builder) =>
        builder.stream('in', read).leftJoin(other(builder), pair, within, joined).to('out', written),
      'it comes too late for the window store of an outer join': (builder) =>
        builder.stream('in', read).outerJoin(other(builder), pair, within, joined),
      'it comes too late for the history of a versioned table': (builder) =>
        builder.table('in', read, Materialized.as(Stores.persistentVersionedKeyValueStore('history', { historyRetentionMs: 1000 }))),
      'its only window is closed': (builder) => grouped(builder).windowedBy(TimeWindows.ofSizeAndGrace(10, 5)).count(),
      'its sliding windows are closed': (builder) => grouped(builder).windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(10, 5)).count(),
      'its session is closed': (builder) => grouped(builder).windowedBy(SessionWindows.ofInactivityGapAndGrace(10, 5)).count(),
      'a processor puts it too late into a window store': (builder) =>
        builder
          .addStateStore(Stores.windowStoreBuilder(Stores.persistentWindowStore('windows', { retentionMs: 1000, windowSizeMs: 10 }), text, text))
          .stream('in', read)
          .process(
            () => {
              let windows: WindowStore<string, string> | null = null
              return {
                init(context) {
                  windows = context.getStateStore('windows')
                },
                process: ({ key, value, timestamp }) => windows?.put(key ?? '', value, timestamp),
              }
            },
            { stores: ['windows'] },
          ),
      'a processor puts it too late into a session store': (builder) =>
        builder
          .addStateStore(Stores.sessionStoreBuilder(Stores.persistentSessionStore('sessions', { retentionMs: 1000 }), text, text))
          .stream('in', read)
          .process(
            () => {
              let sessions: SessionStore<string, string> | null = null
              return {
                init(context) {
                  sessions = context.getStateStore('sessions')
                },
                process: ({ key, value, timestamp }) => sessions?.put({ key: key ?? '', window: { start: timestamp, end: timestamp } }, value),
              }
            },
            { stores: ['sessions'] },
          ),
    }
    for (const [what, build] of Object.entries(tooLate)) {
      it(`if ${what}`, async () => {
        const builder = new StreamsBuilder()
        build(builder)
        await using streams = await running(builder.build())
        await sent(streams, [
          ['a', 'x', 10_000_000],
          ['a', 'late', 1],
        ])
        assert.equal(metric(streams.metrics, 'stream-task-metrics', 'dropped-records-total'), 1)
      })
    }
  })

  it('count a record as dropped if its partitioner returns no partition', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to('out', Produced.with(text, text, { partitioner: (_, key) => (key === 'none' ? [] : null) }))
    await using streams = await running(builder.build())
    await sent(streams, [
      ['a', 'x', 1],
      ['none', 'x', 2],
    ])
    assert.equal(metric(streams.metrics, 'stream-task-metrics', 'dropped-records-total'), 1)
    assert.equal(metric(streams.metrics, 'stream-topic-metrics', 'records-produced-total'), 1)
  })

  it('include the age of records at sources and sinks (KIP-613), and the traffic of each topic (KIP-846)', async () => {
    await using streams = await running(upper())
    await sent(streams, [['key', 'value', systemClock.now() - 5000]])
    const { metrics } = streams
    const [source, sink] = ['KSTREAM-SOURCE-0000000000', 'KSTREAM-SINK-0000000002']
    for (const node of [source, sink]) {
      const age = (name: string) => metric(metrics, 'stream-processor-node-metrics', `record-e2e-latency-${name}`, { 'processor-node-id': node }) ?? 0
      assert.ok(age('min') >= 5000 && age('max') < 65_000 && age('avg') === age('min'), `${node} ${age('min')}`)
    }
    const inner = { 'processor-node-id': 'KSTREAM-MAPVALUES-0000000001' }
    assert.equal(metric(metrics, 'stream-processor-node-metrics', 'record-e2e-latency-avg', inner), undefined)
    assert.equal(metric(metrics, 'stream-processor-node-metrics', 'process-total', { 'processor-node-id': source }), 1)
    const traffic = (name: string, node: string, topic: string) => metric(metrics, 'stream-topic-metrics', name, { 'processor-node-id': node, topic })
    // The sizes of key, value, timestamp, offset, partition and the topic’s name.
    assert.deepEqual([traffic('records-consumed-total', source, 'in'), traffic('bytes-consumed-total', source, 'in')], [1, 3 + 5 + 20 + 2])
    assert.deepEqual([traffic('records-produced-total', sink, 'out'), traffic('bytes-produced-total', sink, 'out')], [1, 3 + 5 + 20 + 3])
  })

  it('have a single series for all topics of a sink that chooses its topic for each record', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to((_, value) => value ?? '', written)
    for (const topic of ['red', 'yellow']) builder.stream(topic, read).foreach(() => {})
    await using streams = await running(builder.build())
    await sent(streams, [
      ['a', 'red', 1],
      ['b', 'yellow', 2],
    ])
    const produced = (name: string) =>
      streams.metrics.filter((one) => one.name === `${name}-produced-total`).map(({ tags, value }) => [tags.topic, value])
    await until(() => produced('records').reduce((sum, [, value]) => sum + Number(value), 0) === 2)
    assert.deepEqual(produced('records'), [['(chosen)', 2]])
    // The sizes of key, value, timestamp, offset, partition and each topic’s name.
    assert.deepEqual(produced('bytes'), [['(chosen)', 1 + 3 + 20 + 3 + (1 + 6 + 20 + 6)]])
  })

  it('include the updates that enter and leave a suppression, and the results of closed windows', async () => {
    const builder = new StreamsBuilder()
    const grouped = builder.stream('in', read).groupByKey(Grouped.with(text, text))
    grouped
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .count()
      .suppress(Suppressed.untilTimeLimit(5, BufferConfig.maxBytes(10_000)))
      .toStream()
      .foreach(() => {})
    grouped
      .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
      .emitStrategy(EmitStrategy.onWindowClose())
      .count()
      .toStream()
      .map(({ key }, count) => [key, String(count)])
      .to('out', written)
    await using streams = await running(builder.build(), { emitIntervalMs: 0, cacheMaxBytes: 0 })
    await sent(streams, [
      ['a', 'x', 0],
      ['b', 'x', 0],
      ['a', 'x', 12],
    ])
    const { metrics } = streams
    const emitted = metrics.filter(({ name, value }) => name === 'suppression-emit-total' && value > 0)
    assert.deepEqual(
      emitted.map(({ group, value }) => [group, value]),
      [['stream-processor-node-metrics', 2]],
    )
    const buffered = metrics.filter(({ tags }) => 'in-memory-suppression-state-id' in tags)
    const of = (name: string) => buffered.find((metric) => metric.name === `suppression-buffer-${name}`)?.value
    // The numbers of Kafka Streams 4.3.1 for the same program. The buffer has no record, then one, two and three records, and then one record after
    // the first two were forwarded.
    assert.deepEqual([of('count-avg'), of('count-max')], [1.4, 3])
    assert.deepEqual([of('size-avg'), of('size-max')], [77, 165])
    const finals = metrics.filter(({ name }) => name === 'window-aggregate-final-emit-total').map(({ value }) => value)
    assert.deepEqual(finals, [0, 2])
    for (const [group, names] of Object.entries(kafkaNames)) {
      assert.deepEqual([...new Set(metrics.filter((one) => one.group === group).map(({ name }) => name))].sort(), names)
    }
  })

  it('include each punctuation, by thread and by task', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', read).process(() => ({
      init: (context) => void context.schedule(10, 'STREAM_TIME', () => {}),
      process() {},
    }))
    await using streams = await running(builder.build())
    await sent(streams, [
      ['a', 'x', 1],
      ['a', 'x', 100],
    ])
    assert.equal(metric(streams.metrics, 'stream-thread-metrics', 'punctuate-total'), 2)
    assert.equal(metric(streams.metrics, 'stream-task-metrics', 'punctuate-total'), 2)
    assert.ok((metric(streams.metrics, 'stream-task-metrics', 'punctuate-latency-max') ?? 0) > 0)
  })

  it('count each failure that has rolled a thread back', async () => {
    let failures = 0
    await using streams = await running(upper(), {
      uncaughtExceptionHandler: () => {
        failures++
        return failures < 2 ? 'REPLACE_THREAD' : 'SHUTDOWN_CLIENT'
      },
    })
    await streams.send('in', { key: 'k', value: 'bad' }, written)
    await until(() => streams.state === 'ERROR')
    assert.equal(metric(streams.metrics, 'stream-metrics', 'failed-stream-threads'), 2)
    assert.equal(metric(streams.metrics, 'stream-metrics', 'client-state'), 6)
    assert.equal(metric(streams.metrics, 'stream-metrics', 'alive-stream-threads'), 0)
  })
})

/** The metrics of Kafka Streams 4.3.1 for such a program. Metrics of restores are left out, because the embedded log needs no restore. */
const kafkaNames = {
  'stream-processor-node-metrics': [
    'process-rate',
    'process-total',
    'record-e2e-latency-avg',
    'record-e2e-latency-max',
    'record-e2e-latency-min',
    'suppression-emit-rate',
    'suppression-emit-total',
    'window-aggregate-final-emit-latency-avg',
    'window-aggregate-final-emit-latency-max',
    'window-aggregate-final-emit-rate',
    'window-aggregate-final-emit-total',
  ],
  'stream-task-metrics': [
    'active-buffer-count',
    'active-process-ratio',
    'dropped-records-rate',
    'dropped-records-total',
    'enforced-processing-rate',
    'enforced-processing-total',
    'process-latency-avg',
    'process-latency-max',
    'process-rate',
    'process-total',
    'punctuate-latency-avg',
    'punctuate-latency-max',
    'punctuate-rate',
    'punctuate-total',
    'record-lateness-avg',
    'record-lateness-max',
  ],
  'stream-topic-metrics': ['bytes-consumed-total', 'bytes-produced-total', 'records-consumed-total', 'records-produced-total'],
}

describe('The Prometheus text of a program', () => {
  it('is empty before the start, and is valid afterwards, with the lag of each partition', async () => {
    const begun = Promise.withResolvers<void>()
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapAsync(
        async (value) => {
          begun.resolve()
          await new Promise(() => {})
          return value
        },
        { name: 'stuck', concurrency: 1, timeoutMs: 60_000 },
      )
      .to('out', written)
    const stateDir = mkdtempSync(join(tmpdir(), 'waggle-prometheus-'))
    directories.push(stateDir)
    const streams = new Streams(builder.build(), { applicationId: 'told', log: 'embedded', stateDir, commitIntervalMs: 5 })
    assert.equal(streams.prometheus(), '')
    await streams.start()
    for (const value of ['a', 'b', 'c']) await streams.send('in', { key: null, value }, written)
    await begun.promise
    const families = parseExposition(streams.prometheus())
    assert.deepEqual(lintExposition(families), [])
    assert.ok(families.has('kafka_streams_stream_metrics_client_state'))
    const lag = families.get('kafka_consumer_consumer_fetch_manager_metrics_records_lag')?.samples ?? []
    assert.deepEqual(
      lag.map(({ labels }) => [labels.get('topic'), labels.get('partition')]),
      [['in', '0']],
    )
    await assert.rejects(streams.close({ timeoutMs: 10 }), { code: 'WAGGLE_CLOSE_TIMEOUT' })
  })
})
