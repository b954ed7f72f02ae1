import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import {
  Consumed,
  KeyQuery,
  Produced,
  RangeQuery,
  Serdes,
  Streams,
  StreamsBuilder,
  type StreamsConfig,
  type StreamsState,
  TimestampedKeyQuery,
  WaggleError,
  WindowKeyQuery,
} from 'waggle-streams'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { spawnEnding } from '../../../ops/bench/ending-child.ts'
import { shareEmbeddedLog } from '../../../ops/streams/shared-log.ts'
import { TemporaryDirectories } from '../../support/temporary-directories.ts'
import { topology as prices } from './worker-programs/prices.ts'
import { type Order, topology as visits } from './worker-programs/visits.ts'

const text = Serdes.string()
const written = Produced.with(text, text)
const directories = new TemporaryDirectories('workers')
after(() => directories.remove())

const moduleOf = (name: string) => new URL(`./worker-programs/${name}.ts`, import.meta.url)

/** Makes a directory whose log has these topics, each with four partitions. */
async function prepared(topics: readonly string[]): Promise<string> {
  const stateDir = directories.make()
  const log = await openEmbeddedLog({ directory: join(stateDir, 'log'), clock: systemClock })
  await log.createTopics(topics.map((name) => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })))
  await log.close()
  return stateDir
}

function config(stateDir: string, more: Partial<StreamsConfig>): StreamsConfig {
  return { applicationId: 'workers', log: 'embedded', stateDir, commitIntervalMs: 5, cacheMaxBytes: 0, ...more }
}

const pageOf = (at: number) => `page-${(at * 7) % 23}`
const visitorOf = (at: number) => `visitor-${at % 50}`

function visit(streams: Streams, key: string, order: Order): Promise<unknown> {
  return streams.send('visits', { key, value: JSON.stringify(order) }, written)
}

async function sendVisits(streams: Streams, from: number, to: number): Promise<void> {
  await Promise.all(Array.from({ length: to - from }, (_, index) => visit(streams, visitorOf(from + index), { page: pageOf(from + index) })))
}

/** The counts of each page in their order. Ends after `count` counts, or waits for ever. */
async function counted(streams: Streams, count: number): Promise<[string | null, number[]][]> {
  const told = new Map<string | null, number[]>()
  let left = count
  for await (const { key, value } of streams.records('counted', Consumed.with(text, Serdes.long()))) {
    const own = told.get(key) ?? []
    told.set(key, own)
    own.push(value ?? -1)
    if (--left === 0) break
  }
  return sorted(told)
}

/** The counts that a single thread would write, if it read one record after the other. */
function recounted(pages: readonly string[]): [string | null, number[]][] {
  const told = new Map<string | null, number[]>()
  for (const page of pages) {
    const own = told.get(page) ?? []
    told.set(page, own)
    own.push(own.length + 1)
  }
  return sorted(told)
}

const pagesUntil = (to: number) => Array.from({ length: to }, (_, at) => pageOf(at))

function sorted<T>(map: Map<string | null, T>): [string | null, T][] {
  return [...map].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
}

const reached = (streams: Streams, state: StreamsState) => new Promise<void>((resolve) => streams.onStateChange((to) => to === state && resolve()))
const failedThreads = (streams: Streams) => streams.metrics.find(({ name }) => name === 'failed-stream-threads')?.value

describe('A program whose threads are workers', () => {
  for (const numThreads of [1, 2, 4]) {
    it(`counts with ${numThreads} workers as with one thread`, async () => {
      const stateDir = await prepared(['visits', 'counted'])
      await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads }))
      await streams.start()
      await sendVisits(streams, 0, 3000)
      assert.deepEqual(await counted(streams, 3000), recounted(pagesUntil(3000)))
    })
  }

  it('processes more input than its workers can buffer at a time', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), commitIntervalMs: 50 }))
    streams.pause()
    await streams.start()
    for (let from = 0; from < 30_000; from += 5000) await sendVisits(streams, from, from + 5000)
    streams.resume()
    assert.deepEqual(await counted(streams, 30_000), recounted(pagesUntil(30_000)))
  })

  it('continues with another number of workers after a close in the middle of its work', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    for (const [round, numThreads] of [2, 1, 3].entries()) {
      const streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads }))
      await streams.start()
      await sendVisits(streams, round * 1000, (round + 1) * 1000)
      await streams.close({ timeoutMs: 10_000 })
    }
    await using streams = new Streams(visits, config(stateDir, {}))
    await streams.start()
    assert.deepEqual(await counted(streams, 3000), recounted(pagesUntil(3000)))
  })

  it('runs beside a second application of the process that reads its output', async () => {
    const stateDir = await prepared(['visits', 'counted', 'doubled'])
    const builder = new StreamsBuilder()
    builder
      .stream('counted', Consumed.with(text, Serdes.long()))
      .mapValues((count) => (count ?? 0) * 2)
      .to('doubled', Produced.with(text, Serdes.long()))
    await using first = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await using second = new Streams(builder.build(), config(stateDir, { applicationId: 'doubling' }))
    await using third = new Streams(prices, config(stateDir, { applicationId: 'pricing', module: moduleOf('prices') }))
    await Promise.all([first.start(), second.start(), third.start()])
    await sendVisits(first, 0, 500)
    const doubled = await taken(second.records('doubled', Consumed.with(text, Serdes.long())))
    assert.ok(doubled.every(({ value }) => (value ?? 1) % 2 === 0))
    assert.deepEqual(await counted(first, 500), recounted(pagesUntil(500)))
    await third.close({ timeoutMs: 5000 })
    await sendVisits(first, 500, 600)
    assert.deepEqual(await counted(first, 600), recounted(pagesUntil(600)))
  })

  it('adds and removes workers on request, each with its own name', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits') }))
    await streams.start()
    await sendVisits(streams, 0, 500)
    assert.equal(await streams.addThread(), 'workers-StreamThread-2')
    await sendVisits(streams, 500, 1000)
    const alive = () => streams.metrics.find(({ name }) => name === 'alive-stream-threads')?.value
    assert.equal(alive(), 2)
    assert.equal(await streams.removeThread(), 'workers-StreamThread-2')
    assert.equal(alive(), 1)
    await sendVisits(streams, 1000, 1500)
    assert.deepEqual(await counted(streams, 1500), recounted(pagesUntil(1500)))
  })

  it('processes nothing while it is paused, even if it was paused before its start', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    streams.pause()
    await streams.start()
    await sendVisits(streams, 0, 100)
    await streams.addThread()
    const counts = await streams.query({ store: 'counts', query: KeyQuery.withKey<string, number>('page-0') })
    assert.ok([...counts.values()].every((value) => value === null))
    streams.resume()
    assert.deepEqual(await counted(streams, 100), recounted(pagesUntil(100)))
  })

  it('reports the metrics of all its workers', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await streams.start()
    await sendVisits(streams, 0, 1000)
    await counted(streams, 1000)
    await streams.close({ timeoutMs: 5000 })
    const processed = streams.metrics.filter(({ group, name }) => group === 'stream-thread-metrics' && name === 'process-total')
    assert.deepEqual(processed.map(({ tags }) => tags['thread-id']).sort(), ['workers-StreamThread-1', 'workers-StreamThread-2'])
    assert.equal(
      processed.reduce((sum, { value }) => sum + value, 0),
      2000,
    )
  })
})

describe('The stores of workers', () => {
  it('are queried across all workers, by key and by range', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 3 }))
    await streams.start()
    await sendVisits(streams, 0, 2300)
    await counted(streams, 2300)
    const byKey = await streams.query({ store: 'counts', query: KeyQuery.withKey<string, number>('page-7') })
    assert.deepEqual([...byKey.keys()].sort(), [0, 1, 2, 3])
    assert.deepEqual(
      [...byKey.values()].filter((value) => value !== null),
      [100],
    )
    assert.deepEqual([...((await streams.allLocalStorePartitionLags()).get('counts')?.keys() ?? [])].sort(), [0, 1, 2, 3])
    const timed = await streams.query({ store: 'counts', query: TimestampedKeyQuery.withKey<string, number>('page-7'), enableStaleStores: true })
    assert.deepEqual(
      [...timed.values()].map((row) => row?.value).filter((value) => value !== undefined),
      [100],
    )
    const ranges = await streams.query({ store: 'counts', query: RangeQuery.withRange<string, number>('page-1', 'page-19') })
    const rows = (await Promise.all([...ranges.values()].map((range) => Array.fromAsync(range)))).flat()
    assert.deepEqual(rows.map(([page]) => page).sort(), ['page-1', ...Array.from({ length: 10 }, (_, at) => `page-1${at}`)])
    assert.ok(rows.every(([, count]) => count === 100))
    await assert.rejects(streams.query({ store: 'nothing', query: KeyQuery.withKey('x') }), { code: 'WAGGLE_STORE_UNKNOWN' })
    await assert.rejects(streams.query({ store: 'counts', query: KeyQuery.withKey('x'), partitions: [9] }), { code: 'WAGGLE_STORE_MIGRATED' })
    await assert.rejects(streams.query({ store: 'counts', query: WindowKeyQuery.withKeyAndWindowStartRange('x', 0, 1) }), {
      code: 'WAGGLE_QUERY_NOT_SUPPORTED',
    })
  })

  it('are queried even if they are window stores, and each worker reads global stores as they change', async () => {
    const stateDir = await prepared(['prices', 'orders', 'priced', 'signed'])
    await using before = new Streams(visits, config(stateDir, { applicationId: 'before' }))
    await before.start()
    await before.send('prices', { key: 'honey', value: '3' }, written)
    await using streams = new Streams(prices, config(stateDir, { module: moduleOf('prices'), numThreads: 2 }))
    await streams.start()
    for (let at = 0; at < 8; at++) await streams.send('orders', { key: `k${at}`, value: 'honey', timestamp: at }, written)
    const priced = streams.records('priced', Consumed.with(text, text))[Symbol.asyncIterator]()
    for (let at = 0; at < 8; at++) assert.equal((await priced.next()).value?.value, 'honey for 3')
    await streams.send('prices', { key: 'honey', value: '4' }, written)
    for (let at = 8, seen: unknown; seen !== 'honey for 4'; at++) {
      await streams.send('orders', { key: 'k', value: 'honey', timestamp: at }, written)
      seen = (await priced.next()).value?.value
    }
    await priced.return?.()
    const windows = await streams.query({ store: 'orders-per-10', query: WindowKeyQuery.withKeyAndWindowStartRange<string, number>('k3', 0, 100) })
    assert.deepEqual([...windows.values()].flat(), [[0, 1]])
    assert.equal((await streams.query({ store: 'prices', query: KeyQuery.withKey<string, string>('honey') })).get(0), '4')
  })
})

describe('A failure in a worker', () => {
  for (const does of ['exit', 'throw-later'] as const) {
    it(`ends only that worker (${does}): its tasks continue in another worker, and every visit counts once`, async () => {
      const stateDir = await prepared(['visits', 'counted'])
      const failures: WaggleError[] = []
      const uncaughtExceptionHandler = (error: WaggleError) => {
        failures.push(error)
        return 'SHUTDOWN_CLIENT' as const
      }
      await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2, uncaughtExceptionHandler }))
      await streams.start()
      const pages = pagesUntil(2000)
      const sent = sendVisits(streams, 0, 1000)
      for (let death = 0; death < 3; death++) {
        pages.push('deadly')
        await visit(streams, visitorOf(death), { page: 'deadly', once: join(stateDir, `death-${death}`), does })
      }
      await Promise.all([sent, sendVisits(streams, 1000, 2000)])
      assert.deepEqual(await counted(streams, 2003), recounted(pages))
      assert.equal(streams.failure?.code, 'WAGGLE_WORKER_DIED')
      assert.match(streams.failure?.message ?? '', does === 'exit' ? /exited with 3/ : /nobody catches this/)
      assert.deepEqual(failures, [])
      assert.ok((failedThreads(streams) ?? 0) >= 1)
      assert.equal(streams.state, 'RUNNING')
    })
  }

  it('fails the program if each worker that processes the record dies', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const streams = new Streams(visits, config(stateDir, { module: moduleOf('visits') }))
    await streams.start()
    const ended = reached(streams, 'ERROR')
    await visit(streams, 'k', { page: 'deadly', does: 'exit' })
    await ended
    assert.equal(streams.failure?.code, 'WAGGLE_WORKER_DIED')
    await streams.close({ timeoutMs: 1000 })
  })

  it('reaches the main thread’s handler unchanged, and is retried if the handler asks for a retry', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const failures: WaggleError[] = []
    const uncaughtExceptionHandler = (error: WaggleError) => {
      failures.push(error)
      return 'REPLACE_THREAD' as const
    }
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2, uncaughtExceptionHandler }))
    await streams.start()
    await visit(streams, 'k', { page: 'bad', once: join(stateDir, 'bad'), does: 'throw' })
    await sendVisits(streams, 0, 100)
    assert.deepEqual(await counted(streams, 101), recounted([...pagesUntil(100), 'bad']))
    assert.equal(failures.length, 1)
    assert.ok(failures[0] instanceof WaggleError)
    assert.equal(failures[0].code, 'WAGGLE_PROCESSING_FAILED')
    assert.match(failures[0].message, /no bears/)
    assert.equal((failures[0].cause as Error).name, 'RangeError')
    assert.match((failures[0].cause as Error).stack ?? '', /visits\.ts/)
    assert.equal(failedThreads(streams), 1)
  })

  it('stops the application if no handler is set', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await streams.start()
    const ended = reached(streams, 'ERROR')
    await visit(streams, 'k', { page: 'bad', does: 'throw' })
    await ended
    assert.equal(streams.failure?.code, 'WAGGLE_PROCESSING_FAILED')
    await streams.close({ timeoutMs: 1000 })
  })

  it('goes to the handlers of the module', async () => {
    const stateDir = await prepared(['prices', 'orders', 'priced', 'signed', 'letters'])
    const warned = once(process, 'warning') as Promise<Error[]>
    await using streams = new Streams(prices, config(stateDir, { module: moduleOf('prices'), numThreads: 2, deadLetterTopic: 'letters' }))
    await streams.start()
    await streams.send('orders', { key: 'k', value: 'poison' }, written)
    await streams.send('orders', { key: 'k', value: 'honey' }, written)
    const [signed] = await taken(streams.records('signed', Consumed.with(text, text)), 1)
    assert.equal(signed?.value, 'honey by a worker')
    const [letter] = await taken(streams.records('letters', Consumed.with(text, text)), 1)
    assert.equal(letter?.value, 'poison')
    const [warning] = await warned
    assert.match(warning?.message ?? '', / failed in processing: no bears \(task \d+_0, topic orders, partition 0, offset 0\)$/)
  })
})

describe('A process with workers', () => {
  it('counts each visit once after it was killed in the middle of its work and restarted', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const script = new URL('./worker-programs/exits-in-the-middle.ts', import.meta.url)
    const child = spawnEnding(process.execPath, [script.pathname, stateDir], { stdio: 'inherit' })
    const [code, signal] = await once(child, 'exit')
    assert.deepEqual([code, signal], [0, null])
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await streams.start()
    const pages = Array.from({ length: 2000 }, (_, at) => `page-${at % 23}`)
    assert.deepEqual(await counted(streams, 2000), recounted(pages))
  })

  it('continues after a failed write, because it opens its database again', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const more = { numThreads: 2, uncaughtExceptionHandler: () => 'REPLACE_THREAD' as const }
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), ...more }))
    await streams.start()
    const { log, close } = await shareEmbeddedLog(join(stateDir, 'log'))
    for (let round = 0; round < 3; round++) {
      const sent = sendVisits(streams, round * 500, (round + 1) * 500)
      const producer = await log.taskProducer({ group: 'broken' })
      const entries = (function* (): Iterable<readonly [Uint8Array, Uint8Array]> {
        yield* []
        throw new Error('not to be written')
      })()
      const state = [{ task: 'broken', store: 'broken', entries, logged: null }]
      await sent
      await assert.rejects(producer.commit({ positions: [], state }), /not to be written/)
      await producer.close()
    }
    assert.deepEqual(await counted(streams, 1500), recounted(pagesUntil(1500)))
    await close()
  })
})

describe('Code that blocks its thread', () => {
  it('blocks only its own worker, but neither the main thread nor another worker', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const untilFile = join(stateDir, 'go')
    await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 4 }))
    await streams.start()
    const startedFile = join(stateDir, 'started')
    await visit(streams, 'blocked', { page: 'late', startedFile, untilFile })
    while (!existsSync(startedFile)) await new Promise((resolve) => setImmediate(resolve))
    // The partitions are spread over the workers. Three of four workers are free, so the pages in their partitions are counted.
    const sent = Array.from({ length: 400 }, (_, at) => `key-${at}`)
    await Promise.all(sent.map((key) => visit(streams, key, { page: key })))
    const seen = new Set<string | null>()
    for await (const { key } of streams.records('counted', Consumed.with(text, Serdes.long()))) if (seen.add(key).size === 150) break
    assert.ok(!seen.has('late'))
    assert.ok(!existsSync(untilFile))
    writeFileSync(untilFile, '')
    assert.deepEqual(await counted(streams, 401), recounted([...sent, 'late']))
  })

  it('is ended when the application is closed, and its work is done again later', async () => {
    const stateDir = await prepared(['visits', 'counted'])
    const untilFile = join(stateDir, 'go')
    const streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await streams.start()
    await sendVisits(streams, 0, 100)
    await counted(streams, 100)
    const startedFile = join(stateDir, 'started')
    await visit(streams, 'blocked', { page: 'late', startedFile, untilFile })
    while (!existsSync(startedFile)) await new Promise((resolve) => setImmediate(resolve))
    await assert.rejects(streams.close({ timeoutMs: 100 }), { code: 'WAGGLE_CLOSE_TIMEOUT' })
    writeFileSync(untilFile, '')
    await using again = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads: 2 }))
    await again.start()
    assert.deepEqual(await counted(again, 101), recounted([...pagesUntil(100), 'late']))
  })
})

describe('The module of a program', () => {
  const refused = async (more: Partial<StreamsConfig>, expected: RegExp, topology = visits) => {
    const streams = new Streams(topology, config(await prepared([]), more))
    await assert.rejects(streams.start(), { code: 'WAGGLE_INVALID_CONFIG', message: expected })
    assert.equal(streams.state, 'ERROR')
  }

  it('is refused beside a restore listener, because the listener would get no calls', () => {
    const streams = new Streams(visits, config('/nowhere', { module: moduleOf('visits') }))
    for (const listen of [() => streams.setGlobalStateRestoreListener({}), () => streams.setStandbyUpdateListener({})]) {
      assert.throws(listen, { code: 'WAGGLE_INVALID_CONFIG', message: /workers/ })
    }
  })

  it('is refused if it cannot be imported, exports no topology, or contradicts the settings', async () => {
    await refused({ module: moduleOf('prices') }, /another than that of the module/)
    await refused({ module: new URL('./nowhere.ts', import.meta.url) }, /nowhere\.ts cannot be imported: Cannot find module/)
    await refused({ module: import.meta.filename }, /exports no topology/)
    await refused({ module: moduleOf('visits'), processingHandler: () => 'resume' }, /processingHandler is given/)
  })
})

async function taken<T>(records: AsyncIterable<T>, count = 50): Promise<T[]> {
  const all: T[] = []
  for await (const record of records) if (all.push(record) === count) break
  return all
}
