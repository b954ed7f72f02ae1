import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { after, afterEach, beforeEach, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { KeyQuery, Serdes, Streams, type StreamsConfig } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { bytesIn, type Log, type Producer } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { type Order, topology } from '../ops/streams/worker-programs/visits.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const programs = resolve(import.meta.dirname, '..', 'ops', 'streams', 'worker-programs')
const module = join(programs, 'visits.ts')
const pageOf = (at: number) => `page-${(at * 7) % 23}`
const partitions = 4

describeWithKafka('A program whose threads are workers, on Kafka', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  let log: Log
  let clear: () => Promise<void>
  let producer: Producer
  const running: Streams[] = []
  const processes: MeasuredProgram[] = []

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    clear = under.close
    producer = await log.producer()
    await log.createTopics(['visits', 'counted'].map((name) => ({ name, partitions, cleanup: 'delete', retentionMs: null })))
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((one) => one.close({ timeoutMs: 10_000 }).catch(() => {})))
    await Promise.all(processes.splice(0).map((one) => one.stop()))
    await producer.close()
    await clear()
  })
  after(() => directories.remove())

  const config = (more: Partial<StreamsConfig> = {}): StreamsConfig => ({
    applicationId: `visits-${randomUUID().slice(0, 8)}`,
    log: { kafka: { brokers: cluster().brokers } },
    stateDir: directories.make(),
    commitIntervalMs: 20,
    cacheMaxBytes: 0,
    numThreads: 2,
    ...more,
  })
  const started = async (more: Partial<StreamsConfig> = {}) => {
    const streams = new Streams(topology, { ...config(more), module })
    running.push(streams)
    await streams.start()
    return streams
  }
  const visit = (at: number, order: Omit<Order, 'page'> = {}) => {
    const key = Buffer.from(`visitor-${at % 50}`)
    const value = Buffer.from(JSON.stringify({ page: pageOf(at), ...order }))
    return producer.send({ topic: 'visits', partition: partitionForKey(key, partitions), key, value, headers: [], timestamp: at })
  }
  const visits = (from: number, to: number) => Promise.all(Array.from({ length: to - from }, (_, index) => visit(from + index)))

  /** The committed counts of each page, in the order in which they were written. */
  async function told(): Promise<ReadonlyMap<string, readonly number[]>> {
    const found = new Map<string, number[]>()
    const offsets = (await log.topic('counted'))?.offsets ?? []
    for (const [partition, { end }] of offsets.entries()) {
      for await (const { records } of log.read({ topic: 'counted', partition, from: 0, to: end })) {
        for (const { key, value } of records) {
          const page = Buffer.from(key ?? []).toString()
          const own = found.get(page) ?? []
          found.set(page, own)
          own.push(Serdes.long().deserialize('', bytesIn(value) ?? new Uint8Array(8)))
        }
      }
    }
    return found
  }
  /** The counts that a single thread writes when it reads record by record. */
  function recounted(to: number): ReadonlyMap<string, readonly number[]> {
    const counts = new Map<string, number[]>()
    for (let at = 0; at < to; at++) {
      const own = counts.get(pageOf(at)) ?? []
      counts.set(pageOf(at), own)
      own.push(own.length + 1)
    }
    return counts
  }
  const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1))
  async function untilCounted(to: number): Promise<void> {
    const wanted = sorted(recounted(to)).map(([page, counts]) => [page, counts.at(-1)])
    for (let attempt = 0; attempt < 3000; attempt++) {
      const found = sorted(await told()).map(([page, counts]) => [page, Math.max(...counts)])
      if (JSON.stringify(found) === JSON.stringify(wanted)) return
      await pause(50)
    }
  }

  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`counts as with one thread, has tasks in each worker, and continues after a stop, ${processing}`, async () => {
      const same = config({ processing })
      const streams = await started(same)
      await visits(0, 1000)
      await untilCounted(1000)
      assert.deepEqual(sorted(await told()), sorted(recounted(1000)))
      const answers = await streams.query({ store: 'counts', query: KeyQuery.withKey<string, number>(pageOf(0)) })
      assert.deepEqual([...answers.keys()].sort(), [0, 1, 2, 3])
      assert.deepEqual(
        [...answers.values()].filter((value) => value !== null),
        [recounted(1000).get(pageOf(0))?.length],
      )
      await pause(1100) // Workers send their metrics once a second.
      const threads = new Map<string, number>()
      for (const { group, name, tags, value } of streams.metrics) {
        const thread = tags['thread-id'] ?? ''
        if (group === 'stream-thread-metrics' && name === 'process-total') threads.set(thread, value)
      }
      assert.equal(threads.size, 2)
      for (const [thread, processed] of threads) assert.ok(processed > 0, `${thread} has done nothing`)
      await streams.close({ timeoutMs: 20_000 })
      assert.equal(streams.failure, null)
      const again = await started(same)
      await visits(1000, 1200)
      await untilCounted(1200)
      assert.deepEqual(sorted(await told()), sorted(recounted(1200)))
      assert.equal(again.failure, null)
    })
  }

  it('neither loses nor doubles a record if its process is killed, under exactly once', async () => {
    const same = config({ processing: 'exactly_once', instanceId: 'one' })
    const start = async () => {
      const program = await MeasuredProgram.start([join(programs, 'visits-on-kafka.ts'), JSON.stringify(same)], {})
      processes.push(program)
      return program
    }
    let program = await start()
    const sending = (async () => {
      for (let from = 0; from < 3000; from += 50) {
        await visits(from, from + 50)
        await pause(20)
      }
    })()
    for (const reached of [500, 1500]) {
      for (let sum = 0; sum < reached; sum = [...(await told()).values()].reduce((all, counts) => all + counts.length, 0)) await pause(50)
      await program.kill('with its children')
      program = await start()
    }
    await sending
    await untilCounted(3000)
    assert.deepEqual(sorted(await told()), sorted(recounted(3000)))
    assert.equal(await program.stop(), 0)
  })

  it('replaces a worker that dies by another worker on the same state', async () => {
    const deaths: string[] = []
    const streams = new Streams(topology, {
      ...config({ processing: 'exactly_once', instanceId: 'two' }),
      module,
      uncaughtExceptionHandler: (error) => {
        deaths.push(error.code)
        return 'REPLACE_THREAD'
      },
    })
    running.push(streams)
    await streams.start()
    await visits(0, 300)
    await untilCounted(300)
    await visit(300, { does: 'exit', once: join(directories.make(), 'once') })
    await visits(301, 400)
    await untilCounted(400)
    assert.deepEqual(sorted(await told()), sorted(recounted(400)))
    assert.equal(streams.metrics.find(({ name }) => name === 'failed-stream-threads')?.value, 1)
    assert.deepEqual(deaths, [])
    assert.equal(streams.state, 'RUNNING')
  })

  it('answers queries for all its processes, and moves the tasks when one process leaves', async () => {
    const same = { applicationId: `visits-${randomUUID().slice(0, 8)}`, applicationServer: '127.0.0.1:0' }
    const one = await started(same)
    await visits(0, 200)
    await untilCounted(200)
    const two = await started(same)
    const all = async (streams: Streams) => {
      for (let attempt = 0; ; attempt++) {
        try {
          const answers = await streams.query({ store: 'counts', query: KeyQuery.withKey<string, number>(pageOf(1)) })
          return [...answers.values()].filter((value) => value !== null)
        } catch (error) {
          if (attempt > 200) throw error
          await pause(50)
        }
      }
    }
    const wanted = [recounted(200).get(pageOf(1))?.length]
    assert.deepEqual([await all(one), await all(two)], [wanted, wanted])
    assert.notEqual(await two.removeThread(), null)
    await one.close({ timeoutMs: 20_000 })
    await visits(200, 300)
    await untilCounted(300)
    assert.deepEqual(sorted(await told()), sorted(recounted(300)))
    assert.deepEqual(await all(two), [recounted(300).get(pageOf(1))?.length])
  })
})
