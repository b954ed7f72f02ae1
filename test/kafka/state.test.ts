import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, afterEach, before, it } from 'node:test'
import { Consumed, Grouped, KeyQuery, Materialized, Produced, Serdes, StreamsBuilder, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log, TopicSpec } from '../../processor/ports.ts'
import { KafkaApplication, type KafkaApplicationOptions, TemporaryDirectories } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { newName, quickOptions } from '../support/kafka-log.ts'

const text = Serdes.string()
const directories = new TemporaryDirectories()

describeWithKafka('State on Kafka', {}, (cluster) => {
  let log: Log
  const running: KafkaApplication[] = []
  const started = async (options: KafkaApplicationOptions) => {
    const one = await KafkaApplication.make(options)
    running.push(one)
    await one.application.start()
    return one
  }

  before(async () => {
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
  })
  afterEach(() => Promise.all(running.splice(0).map((one) => one.close().catch(() => {}))))
  after(async () => {
    await log.close()
    directories.remove()
  })

  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`is there after a restart without its changelog being read, ${processing}`, async () => {
      const { applicationId, input } = await newCount(log)
      const stateDir = directories.make()
      const options = { cluster: cluster(), applicationId, topology: countOf(input), stateDir, processing }
      await send(log, input, keys(1000))
      const first = await started(options)
      await until(() => sum(counts(first)) === 1000)
      await first.close()
      assert.deepEqual(first.failures, [])

      const second = await started(options)
      assert.equal(sum(counts(second)), 1000)
      assert.equal(second.application.restoredRecords, 0)
      await send(log, input, keys(100))
      await until(() => sum(counts(second)) === 1100)
      await second.close()
      assert.deepEqual(second.failures, [])
    })

    it(`is read from its changelog where the directory is gone, ${processing}`, async () => {
      const { applicationId, input } = await newCount(log)
      const stateDir = directories.make()
      const options = { cluster: cluster(), applicationId, topology: countOf(input), stateDir, processing }
      await send(log, input, keys(1000))
      const first = await started(options)
      await until(() => sum(counts(first)) === 1000)
      await first.close()
      rmSync(stateDir, { recursive: true })

      const second = await started(options)
      assert.equal(sum(counts(second)), 1000)
      assert.ok(second.application.restoredRecords >= 50, `${second.application.restoredRecords} records`)
      await send(log, input, keys(100))
      await until(() => sum(counts(second)) === 1100)
      await second.close()
    })
  }
})

function countOf(input: string): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(input, Consumed.with(text, text))
    .groupByKey(Grouped.with(text, text, { name: 'by-key' }))
    .count(Materialized.as('counts'))
    .toStream()
    .to(`${input}-counted`, Produced.with(text, Serdes.long()))
  return builder.build()
}

async function newCount(log: Log) {
  const input = newName('words')
  const topic = (name: string): TopicSpec => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })
  await log.createTopics([topic(input), topic(`${input}-counted`)])
  return { applicationId: newName('app'), input }
}

/** Fifty different ones. */
function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `key-${at % 50}`)
}

async function send(log: Log, topic: string, sent: readonly string[]): Promise<void> {
  const producer = await log.producer()
  await Promise.all(
    sent.map((key) =>
      producer.send({ topic, partition: Number(key.split('-')[1]) % 4, key: Buffer.from(key), value: Buffer.from('x'), timestamp: 1, headers: [] }),
    ),
  )
  await producer.close()
}

/** What a process has counted, of the partitions that it has. */
function counts({ application }: KafkaApplication): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (let at = 0; at < 50; at++) {
    const key = `key-${at}`
    for (const [, count] of application.query('counts', KeyQuery.withKey<string, number>(key).request, null)) {
      if (typeof count === 'number') found.set(key, count)
    }
  }
  return found
}

function sum(counted: ReadonlyMap<string, number>): number {
  return [...counted.values()].reduce((all, one) => all + one, 0)
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10))
}
