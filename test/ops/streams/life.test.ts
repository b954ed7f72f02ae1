import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  Consumed,
  KeyQuery,
  type KStream,
  Materialized,
  Produced,
  type Record,
  Serdes,
  Streams,
  StreamsBuilder,
  type StreamsConfig,
  type StreamsState,
  type Topology,
  WaggleError,
} from 'waggle-streams'
import { shareEmbeddedLog } from '../../../ops/streams/shared-log.ts'
import { read, text, written } from '../../support/text-program.ts'

const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

function config(more: Partial<StreamsConfig> = {}): StreamsConfig {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-life-'))
  directories.push(stateDir)
  return { applicationId: 'life', log: 'embedded', stateDir, commitIntervalMs: 5, ...more }
}

function program(write: (stream: KStream<string | null, string>) => KStream<string | null, string>): Topology {
  const builder = new StreamsBuilder()
  write(builder.stream('in', Consumed.with(text, text).skipNullValues())).to('out', written)
  return builder.build()
}

const upper = () => program((stream) => stream.mapValues((value) => value.toUpperCase()))

/** A program that throws on `bad`, at most `times` times. */
function failing(times = Number.POSITIVE_INFINITY): Topology {
  let left = times
  return program((stream) =>
    stream.mapValues((value) => {
      if (value === 'bad' && left-- > 0) throw new RangeError('no bears')
      return value
    }),
  )
}

async function first(streams: Streams): Promise<string | null | undefined> {
  for await (const { value } of streams.records('out', read)) return value
  return undefined
}

const reached = (streams: Streams, state: StreamsState) => new Promise<void>((resolve) => streams.onStateChange((to) => to === state && resolve()))
const send = (streams: Streams, value: string) => streams.send('in', { key: 'k', value }, written)

describe('The states of an application', () => {
  it('are reported, each with the state before it, until the listener is removed', async () => {
    const streams = new Streams(upper(), config())
    const told: string[] = []
    const some: string[] = []
    streams.onStateChange((to, from) => told.push(`${from} → ${to}`))
    const stop = streams.onStateChange((to) => some.push(to))
    assert.equal(streams.state, 'CREATED')
    await streams.start()
    assert.equal(streams.state, 'RUNNING')
    stop()
    await streams.close({ timeoutMs: 5000 })
    assert.equal(streams.state, 'NOT_RUNNING')
    assert.deepEqual(told, ['CREATED → REBALANCING', 'REBALANCING → RUNNING', 'RUNNING → PENDING_SHUTDOWN', 'PENDING_SHUTDOWN → NOT_RUNNING'])
    assert.deepEqual(some, ['REBALANCING', 'RUNNING'])
  })

  it('end in NOT_RUNNING if the application is closed before it starts, and the application cannot start afterwards', async () => {
    const streams = new Streams(upper(), config())
    const told: string[] = []
    streams.onStateChange((to) => told.push(to))
    await streams.close({ timeoutMs: 10 })
    assert.deepEqual(told, ['PENDING_SHUTDOWN', 'NOT_RUNNING'])
    await assert.rejects(streams.start(), { code: 'WAGGLE_ALREADY_STARTED' })
  })

  it('end in ERROR, with the reason, if the application cannot start', async () => {
    const builder = new StreamsBuilder()
    builder
      .stream('in', read)
      .mapValues(() => 7)
      .to('out')
    const streams = new Streams(builder.build(), config())
    await assert.rejects(streams.start(), { code: 'WAGGLE_SERDE_MISSING', message: /KSTREAM-SINK-\d+ has no serde for its values/ })
    assert.equal(streams.state, 'ERROR')
    assert.equal(streams.failure?.code, 'WAGGLE_SERDE_MISSING')
    await streams.close({ timeoutMs: 10 })
  })

  it('end in NOT_RUNNING if the application is closed during its start, and no thread remains', async () => {
    const settings = config()
    const streams = new Streams(upper(), settings)
    const told: string[] = []
    streams.onStateChange((to) => told.push(to))
    const started = assert.rejects(streams.start(), { code: 'WAGGLE_NOT_RUNNING' })
    await streams.close({ timeoutMs: 5000 })
    await started
    assert.deepEqual([streams.state, told], ['NOT_RUNNING', ['PENDING_SHUTDOWN', 'NOT_RUNNING']])
    await using next = new Streams(upper(), settings)
    await next.start()
    await send(next, 'bear')
    assert.equal(await first(next), 'BEAR')
  })

  it('are entered once: two starts at the same time count as one start, and a second close has no effect', async () => {
    const streams = new Streams(upper(), config())
    const [one, other] = await Promise.allSettled([streams.start(), streams.start()])
    assert.deepEqual([one?.status, other?.status], ['fulfilled', 'rejected'])
    await streams.close({ timeoutMs: 5000 })
    await streams.close({ timeoutMs: 5000 })
    await assert.rejects(streams.start(), { code: 'WAGGLE_ALREADY_STARTED' })
    assert.equal(streams.state, 'NOT_RUNNING')
  })

  it('end at the end of an `await using` block', async () => {
    const kept: Streams[] = []
    {
      await using streams = new Streams(upper(), config())
      kept.push(streams)
      await streams.start()
    }
    assert.equal(kept[0]?.state, 'NOT_RUNNING')
  })
})

describe('An application before its start and after its close', () => {
  it('answers no queries, and the error names its state', async () => {
    const builder = new StreamsBuilder()
    builder.table('in', read, Materialized.as('table'))
    const streams = new Streams(builder.build(), config())
    const ask = () => streams.query({ store: 'table', query: KeyQuery.withKey<string, string>('k') })
    await assert.rejects(ask(), { code: 'WAGGLE_NOT_RUNNING' })
    await assert.rejects(streams.addThread(), { code: 'WAGGLE_NOT_RUNNING' })
    assert.deepEqual(streams.metrics, [])
    await streams.start()
    assert.deepEqual([...(await ask())], [[0, null]])
    await streams.close({ timeoutMs: 5000 })
    await assert.rejects(ask(), { code: 'WAGGLE_STORE_MIGRATED' })
    await assert.rejects(streams.addThread(), { code: 'WAGGLE_NOT_RUNNING' })
    assert.equal(await streams.removeThread(), null)
  })

  it('processes nothing if it was paused before its start, until it is resumed', async () => {
    await using streams = new Streams(upper(), config())
    streams.pause()
    await streams.start()
    assert.equal(streams.state, 'RUNNING')
    await send(streams, 'a')
    // One turn of the event loop, in which the record could have been processed.
    await streams.addThread()
    const processed = () => streams.metrics.find(({ name, group }) => group === 'stream-thread-metrics' && name === 'process-total')?.value
    assert.equal(processed(), 0)
    streams.resume()
    assert.equal(await first(streams), 'A')
  })
})

describe('The threads of an application', () => {
  it('can all be removed, and processing continues when a thread is added again', async () => {
    await using streams = new Streams(upper(), config({ numThreads: 2 }))
    await streams.start()
    assert.deepEqual(
      [await streams.removeThread(), await streams.removeThread(), await streams.removeThread()],
      ['life-StreamThread-2', 'life-StreamThread-1', null],
    )
    assert.equal(streams.state, 'RUNNING')
    await send(streams, 'a')
    assert.equal(await streams.addThread(), 'life-StreamThread-1')
    assert.equal(await first(streams), 'A')
  })
})

describe('Closing an application', () => {
  /** A program with calls that end when the test asks for it. */
  function calling() {
    let ends = () => {}
    let begins = () => {}
    const begun = new Promise<void>((resolve) => {
      begins = resolve
    })
    const topology = program((stream) =>
      stream.mapAsync(
        (value) =>
          new Promise<string>((resolve) => {
            ends = () => resolve(`${value}!`)
            begins()
          }),
        { concurrency: 1, timeoutMs: 60_000 },
      ),
    )
    return { topology, begun, end: () => ends() }
  }

  it('waits for the calls in flight, and starts no further call', async () => {
    const settings = config()
    const { topology, begun, end } = calling()
    const streams = new Streams(topology, settings)
    await streams.start()
    await send(streams, 'a')
    await begun
    const closed = streams.close({ timeoutMs: 30_000 })
    end()
    await closed
    await using again = new Streams(upper(), { ...settings, applicationId: 'reader' })
    await again.start()
    assert.equal(await first(again), 'a!')
  })

  it('succeeds without a time limit and with an infinite limit, and an invalid limit is refused', async (t) => {
    const streams = new Streams(upper(), config())
    await streams.start()
    for (const timeoutMs of [Number.NaN, -1, '5' as unknown as number, null as unknown as number]) {
      await assert.rejects(streams.close({ timeoutMs }), { code: 'WAGGLE_INVALID_CONFIG', message: /timeoutMs is (NaN|-1|'5'|null)/ })
    }
    assert.equal(streams.state, 'RUNNING')
    const warned = t.mock.fn()
    process.on('warning', warned)
    await streams.close()
    assert.equal(streams.state, 'NOT_RUNNING')
    // Node emits the warning in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', warned)
    assert.equal(warned.mock.callCount(), 0)
    const forever = new Streams(upper(), config())
    await forever.start()
    await forever.close({ timeoutMs: Number.POSITIVE_INFINITY })
  })

  it('stops waiting at its time limit, and uncommitted work is done again after the next start', async () => {
    const settings = config()
    const { topology, begun } = calling()
    const streams = new Streams(topology, settings)
    await streams.start()
    await send(streams, 'a')
    await begun
    await assert.rejects(streams.close({ timeoutMs: 20 }), { code: 'WAGGLE_CLOSE_TIMEOUT', message: /20 ms/ })
    assert.equal(streams.state, 'NOT_RUNNING')
    const second = calling()
    await using again = new Streams(second.topology, settings)
    await again.start()
    await second.begun
    second.end()
    assert.equal(await first(again), 'a!')
  })
})

describe('A failure that no handler skips', () => {
  it('is retried by a new thread if the program answers REPLACE_THREAD', async () => {
    const asked: string[] = []
    await using streams = new Streams(
      failing(2),
      config({
        uncaughtExceptionHandler(error) {
          assert.ok(error instanceof WaggleError)
          assert.ok(error.cause instanceof RangeError)
          asked.push(error.code)
          return 'REPLACE_THREAD'
        },
      }),
    )
    await streams.start()
    await send(streams, 'bad')
    assert.equal(await first(streams), 'bad')
    assert.equal(streams.state, 'RUNNING')
    assert.deepEqual(asked, ['WAGGLE_PROCESSING_FAILED', 'WAGGLE_PROCESSING_FAILED'])
  })

  for (const answer of ['SHUTDOWN_CLIENT', 'SHUTDOWN_APPLICATION'] as const) {
    it(`ends in ERROR if the program answers ${answer}`, async () => {
      const streams = new Streams(failing(), config({ uncaughtExceptionHandler: () => answer }))
      const states: string[] = []
      streams.onStateChange((to) => states.push(to))
      const ended = reached(streams, 'ERROR')
      await streams.start()
      await send(streams, 'bad')
      await ended
      assert.deepEqual(states, ['REBALANCING', 'RUNNING', 'PENDING_ERROR', 'ERROR'])
      assert.match(
        streams.failure?.message ?? '',
        /^KSTREAM-MAPVALUES-0000000001 failed in processing: no bears \(task 0_\d, topic [^ ]+, partition \d, offset 0\)$/,
      )
      await streams.close({ timeoutMs: 5000 })
      assert.equal(streams.state, 'ERROR')
    })
  }
})

describe('A handler for failed records', () => {
  it('skips a record that cannot be read if it answers continue', async () => {
    const builder = new StreamsBuilder()
    builder.stream('in', Consumed.with(text, Serdes.long())).mapValues(String).to('out', written)
    const asked: unknown[] = []
    await using streams = new Streams(
      builder.build(),
      config({
        deserializationHandler: ({ code }, { node, taskId, topic, partition, offset }) => {
          asked.push([code, node, taskId, topic, partition, offset])
          return 'resume'
        },
      }),
    )
    await streams.start()
    await send(streams, 'no number')
    await streams.send('in', { key: 'k', value: 5 }, Produced.with(text, Serdes.long()))
    assert.equal(await first(streams), '5')
    assert.deepEqual(asked, [['WAGGLE_INVALID_VALUE', 'KSTREAM-SOURCE-0000000000', '0_0', 'in', 0, 0n]])
  })

  it('skips a record that cannot be written if it answers continue', async () => {
    const asked: unknown[] = []
    await using streams = new Streams(
      program((stream) => stream.mapValues((value) => (value === 'seven' ? (7 as never) : value))),
      config({
        productionHandler: ({ code }, { node, value }) => {
          asked.push([code, node, value])
          return 'resume'
        },
      }),
    )
    await streams.start()
    await send(streams, 'seven')
    await send(streams, 'eight')
    assert.equal(await first(streams), 'eight')
    assert.deepEqual(asked, [['WAGGLE_INVALID_VALUE', 'KSTREAM-SINK-0000000002', 7]])
  })

  it('fails the program if it answers retry for a value that cannot be serialised, as in Kafka Streams', async () => {
    const streams = new Streams(
      program((stream) => stream.mapValues(() => 7 as never)),
      config({ productionHandler: () => 'retry' }),
    )
    const ended = reached(streams, 'ERROR')
    await streams.start()
    await send(streams, 'x')
    await ended
    assert.equal(streams.failure?.code, 'WAGGLE_INVALID_VALUE')
    await streams.close({ timeoutMs: 5000 })
  })
})

describe('Several applications in one process', () => {
  it('keep running while another application rolls back to its last commit', async () => {
    const asked: string[] = []
    const handler = (error: WaggleError) => {
      asked.push(error.code)
      return 'fail' as const
    }
    const settings = config({ uncaughtExceptionHandler: () => 'SHUTDOWN_CLIENT', productionHandler: handler })
    const { log, close } = await shareEmbeddedLog(join(settings.stateDir ?? '', 'log'))
    const other = await log.taskProducer({ group: 'another' })
    let aborts = 0
    // The failure comes after the commit was requested and before it is written.
    const dropping = program((stream) =>
      stream.process<string | null, string>(() => {
        let step = (_: Record<string | null, string>) => {}
        return {
          init(context) {
            step = (record) => {
              context.commit()
              if (aborts++ < 3) queueMicrotask(() => void other.abort())
              context.forward(record)
            }
          },
          process: (record) => step(record),
        }
      }),
    )
    const streams = new Streams(dropping, settings)
    await streams.start()
    await send(streams, 'one')
    assert.equal(await first(streams), 'one')
    assert.equal(streams.failure?.code, 'WAGGLE_COMMIT_DROPPED')
    assert.equal(streams.state, 'RUNNING')
    assert.deepEqual(asked, [])
    await streams.close({ timeoutMs: 5000 })
    await close()
  })
})

describe('A global table without a name', () => {
  it('can be queried by its generated name', async () => {
    const builder = new StreamsBuilder()
    const table = builder.globalTable('names', read)
    builder.stream('in', read).to('out', written)
    const settings = config()
    await using writer = new Streams(upper(), { ...settings, applicationId: 'writer' })
    await writer.start()
    await writer.send('names', { key: 'b', value: 'Bruno' }, written)
    await using streams = new Streams(builder.build(), settings)
    await streams.start()
    const store = table.queryableStoreName ?? ''
    assert.deepEqual([...(await streams.query({ store, query: KeyQuery.withKey<string, string>('b') }))], [[0, 'Bruno']])
  })
})
