import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  Consumed,
  type FailedRecord,
  type Header,
  type ProcessorSupplier,
  Produced,
  Serdes,
  Streams,
  StreamsBuilder,
  type StreamsConfig,
  Topology,
  type WaggleError,
} from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'
import { Application } from '../../../processor/application/application.ts'
import { failAlways } from '../../../processor/task/failures.ts'
import { partitionForKey } from '../../../topology/partitioner.ts'
import { WaggleError as Failure } from '../../../topology/waggle-error.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const text = Serdes.string()
const read = Consumed.with(text, text).skipNullKeys().skipNullValues()
const written = Produced.with(text, text)
const mark: Header = { key: 'mark', value: Buffer.from('made on the way') }

/** A program whose first step adds a minute and a header to each record, and whose second step fails for the value `bad`. */
function marked(): Topology {
  const marking: ProcessorSupplier<string, string, string, string> = () => {
    let forward: (record: { key: string; value: string; timestamp: number; headers: readonly Header[] }) => void = () => {}
    return {
      init(context) {
        forward = (record) => context.forward(record)
      },
      process: ({ key, value, timestamp, headers }) => forward({ key, value, timestamp: timestamp + 60_000, headers: [...headers, mark] }),
    }
  }
  const builder = new StreamsBuilder()
  builder
    .stream('in', read)
    .process(marking)
    .mapValues((value) => {
      if (value === 'bad') throw new RangeError('no bears here')
      return value
    })
    .to('out', written)
  return builder.build()
}

/** A program with a stream-time schedule that fails. */
function failingSchedule(): Topology {
  const builder = new StreamsBuilder()
  builder.stream('in', read).process(() => ({
    init(context) {
      context.schedule(10, 'STREAM_TIME', () => {
        throw new Error('not now')
      })
    },
    process() {},
  }))
  return builder.build()
}

function driven(topology: Topology, config: Partial<StreamsConfig>) {
  const driver = new TopologyTestDriver(topology, config)
  return { driver, input: driver.createInputTopic('in', text, text), letters: driver.createOutputTopic('dead', text, text) }
}

function said(headers: readonly Header[]): { readonly [name: string]: string | null } {
  return Object.fromEntries(headers.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString()]))
}

describe('The context of a failure', () => {
  it('has the record as it was when it failed, and its place in the input', async () => {
    const asked: FailedRecord[] = []
    const { driver, input } = driven(marked(), {
      processingHandler: (_, record) => {
        asked.push(record)
        return 'resume'
      },
    })
    await using _ = driver
    await input.pipeInput('k', 'good', 1)
    await input.pipeInput({ key: 'k', value: 'bad', timestamp: 2, headers: [{ key: 'own', value: null }] })
    const [record] = asked
    assert.equal(asked.length, 1)
    assert.deepEqual([record?.key, record?.value, record?.timestamp], ['k', 'bad', 60_002])
    assert.deepEqual(record?.headers, [{ key: 'own', value: null }, mark])
    assert.deepEqual([record?.topic, record?.partition, record?.offset], ['in', 0, 1n])
    assert.deepEqual([record?.node, record?.taskId], ['KSTREAM-MAPVALUES-0000000002', '0_0'])
  })

  it('has the time and the node of a failed punctuation, but no record', async () => {
    const asked: FailedRecord[] = []
    const { driver, input, letters } = driven(failingSchedule(), {
      deadLetterTopic: 'dead',
      processingHandler: (_, record) => {
        asked.push(record)
        return 'resume'
      },
    })
    await using _ = driver
    await input.pipeInput('k', 'v', 25)
    assert.deepEqual(
      asked.map(({ key, value, timestamp, topic, partition, offset, node }) => [key, value, timestamp, topic, partition, offset, node]),
      [[null, null, 25, '', -1, -1n, 'KSTREAM-PROCESSOR-0000000001']],
    )
    const letter = letters.readRecord()
    assert.deepEqual([letter.key, letter.value, letter.timestamp], [null, null, 25])
    const headers = said(letter.headers)
    assert.deepEqual(
      [headers['__streams.errors.topic'], headers['__streams.errors.partition'], headers['__streams.errors.offset']],
      [null, '-1', '-1'],
    )
  })

  it('is given to a handler once, and the failure stands if the handler fails or returns no valid answer', async () => {
    let asked = 0
    const failing = driven(marked(), {
      processingHandler: () => {
        asked++
        throw new Error('I do not know')
      },
    })
    await assert.rejects(failing.input.pipeInput('k', 'bad'), { code: 'WAGGLE_HANDLER_FAILED', message: /no bears here.*I do not know/ })
    assert.equal(asked, 1)
    const retrying = driven(marked(), { processingHandler: () => 'retry' as 'resume' })
    await assert.rejects(retrying.input.pipeInput('k', 'bad'), { code: 'WAGGLE_PROCESSING_FAILED' })
    const punctuating = driven(failingSchedule(), {})
    await assert.rejects(punctuating.input.pipeInput('k', 'v', 25), { code: 'WAGGLE_PROCESSING_FAILED', message: /not now/ })
  })
})

describe('A dead letter of the DSL (KIP-1034)', () => {
  it('has the input record’s key and value, the time and headers at the failing node, and Kafka Streams’ headers', async () => {
    const { driver, input, letters } = driven(marked(), { deadLetterTopic: 'dead', processingHandler: () => 'resume' })
    await using _ = driver
    await input.pipeInput({ key: 'k', value: 'bad', timestamp: 2, headers: [{ key: 'own', value: null }] })
    const letter = letters.readRecord()
    assert.deepEqual([letter.key, letter.value, letter.timestamp], ['k', 'bad', 60_002])
    const headers = said(letter.headers)
    const errors = ['exception', 'message', 'stacktrace', 'topic', 'partition', 'offset'].map((name) => `__streams.errors.${name}`)
    assert.deepEqual(Object.keys(headers), ['own', 'mark', ...errors])
    assert.match(headers['__streams.errors.stacktrace'] ?? '', /RangeError: no bears here\n +at /)
    assert.deepEqual(
      errors.filter((name) => !name.endsWith('stacktrace')).map((name) => headers[name]),
      ['RangeError', 'no bears here', 'in', '0', '0'],
    )
  })

  it('has the same form for a record that cannot be deserialised as for one that cannot be serialised', async () => {
    const strict = { ...Serdes.string(), deserialize: (_: string, bytes: Uint8Array) => (bytes.length > 1 ? never('long') : 'x') }
    const picky = { ...Serdes.string(), serialize: () => never('picky') }
    const topology = new Topology()
      .addSource('source', 'in', Consumed.with(text, strict))
      .addProcessor('same', same, ['source'])
      .addSink('sink', 'out', ['same'], Produced.with(text, picky))
    const { driver, input, letters } = driven(topology, {
      deadLetterTopic: 'dead',
      deserializationHandler: () => 'resume',
      productionHandler: () => 'resume',
    })
    await using _ = driver
    await input.pipeInput('a', 'two', 1)
    await input.pipeInput('b', '1', 2)
    const written = letters.readRecordsToList()
    assert.deepEqual(
      written.map(({ key, value, headers }) => [key, value, said(headers)['__streams.errors.message'], said(headers)['__streams.errors.offset']]),
      [
        ['a', 'two', 'long', '0'],
        ['b', '1', 'picky', '1'],
      ],
    )
  })

  it('is written to the partition of its key', async () => {
    const letters = new Map<string, number>()
    const world = new SimulatedWorld()
    const log = world.boot()
    const application = new Application({
      applicationId: 'test',
      topology: marked(),
      log,
      clock: world.clock,
      topics: [
        { name: 'in', partitions: 1, retentionMs: null, cleanup: 'delete' },
        { name: 'out', partitions: 1, retentionMs: null, cleanup: 'delete' },
        { name: 'dead', partitions: 4, retentionMs: null, cleanup: 'delete' },
      ],
      failures: { ...failAlways, processing: () => 'resume', deadLetters: { topic: 'dead', headers: () => [] } },
    })
    void application.start()
    await world.clock.until(() => application.state === 'RUNNING')
    const producer = await log.producer()
    for (const key of ['a', 'b', 'c', 'd', 'e'])
      void producer.send({ topic: 'in', partition: 0, key: Buffer.from(key), value: Buffer.from('bad'), timestamp: 0, headers: [] })
    await world.clock.advance(2000)
    for (const [partition, { records }] of (world.disk.topics.get('dead')?.partitions ?? []).entries())
      for (const { key } of records) letters.set(Buffer.from(key ?? []).toString(), partition)
    assert.deepEqual(letters, new Map([...letters.keys()].map((key) => [key, partitionForKey(Buffer.from(key), 4)])))
    assert.equal(letters.size, 5)
  })
})

describe('A record that the log refuses', () => {
  const directories: string[] = []
  after(() => {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  })

  /** Each record goes to the topic that its value names. */
  function routed(): Topology {
    const builder = new StreamsBuilder()
    builder.stream('in', read).to((_, value) => value, written)
    return builder.build()
  }

  it('is tried again if the production handler answers retry, whatever the other handlers answer', async () => {
    const stateDir = mkdtempSync(join(tmpdir(), 'waggle-retry-'))
    directories.push(stateDir)
    const asked: string[] = []
    const tried = Promise.withResolvers<void>()
    await using streams = new Streams(routed(), {
      applicationId: 'routed',
      log: 'embedded',
      stateDir,
      productionHandler: (error, { node }) => {
        asked.push(`${error.code} ${node}`)
        if (asked.length === 2) tried.resolve()
        return 'retry'
      },
      uncaughtExceptionHandler: () => 'SHUTDOWN_CLIENT',
    })
    await streams.start()
    await streams.send('in', { key: 'k', value: 'later' }, written)
    await tried.promise
    await streams.send('later', { key: 'x', value: 'makes the topic' }, written)
    const found: (string | null)[] = []
    for await (const { value } of streams.records('later', Consumed.with(text, text))) if (found.push(value) === 2) break
    assert.deepEqual(found, ['makes the topic', 'later'])
    assert.equal(asked[0], 'WAGGLE_MISSING_TOPIC KSTREAM-SINK-0000000001')
    assert.equal(streams.state, 'RUNNING')
  })

  it('is not tried again if its value cannot be serialised, even if the production handler answers retry', async () => {
    const { driver, input } = driven(
      new Topology()
        .addSource('source', 'in', read)
        .addSink('sink', 'out', ['source'], Produced.with(text, { serialize: () => never('picky') } as never)),
      { productionHandler: () => 'retry' },
    )
    await assert.rejects(input.pipeInput('k', 'v'), { code: 'WAGGLE_PRODUCTION_FAILED' })
    await driver.close()
  })

  it('fails its whole commit, and the production handler decides about the commit', async () => {
    for (const [answer, decided] of [
      ['retry', 0],
      ['fail', 1],
    ] as const) {
      const world = new SimulatedWorld()
      const log = world.boot()
      let refusals = 1
      const refusing = new Proxy(log, {
        get(target, property) {
          if (property !== 'taskProducer') {
            const value: unknown = Reflect.get(target, property, target)
            return typeof value === 'function' ? value.bind(target) : value
          }
          return async (options: { group: string }) => {
            const producer = await target.taskProducer(options)
            const commit = producer.commit.bind(producer)
            producer.commit = (point) =>
              refusals-- > 0 ? Promise.reject(new Failure('WAGGLE_DISK_FULL', { message: 'full', next: 'wait' })) : commit(point)
            return producer
          }
        },
      })
      const decisions: WaggleError[] = []
      const asked: FailedRecord[] = []
      const application = new Application({
        applicationId: 'test',
        topology: marked(),
        log: refusing,
        clock: world.clock,
        topics: ['in', 'out'].map((name) => ({ name, partitions: 1, retentionMs: null, cleanup: 'delete' as const })),
        failures: {
          ...failAlways,
          production: (_, record) => {
            asked.push(record)
            return answer
          },
        },
        decide: (error) => {
          decisions.push(error)
          return 'goOn'
        },
      })
      void application.start()
      await world.clock.until(() => application.state === 'RUNNING')
      const producer = await log.producer()
      void producer.send({ topic: 'in', partition: 0, key: Buffer.from('k'), value: Buffer.from('v'), timestamp: 0, headers: [] })
      await world.clock.advance(5000)
      assert.deepEqual(
        asked.map(({ node, topic, key }) => [node, topic, key]),
        [['', '', null]],
      )
      assert.equal(decisions.length, decided)
      assert.equal(application.threads.failed, decided)
      assert.equal(world.disk.topics.get('out')?.partitions[0]?.records.length, 1)
    }
  })
})

function never(message: string): never {
  throw new Error(message)
}

const same: ProcessorSupplier<string | null, string | null, string | null, string | null> = () => {
  let forward: (record: { key: string | null; value: string | null; timestamp: number }) => void = () => {}
  return {
    init(context) {
      forward = (record) => context.forward(record)
    },
    process: (record) => forward(record),
  }
}
