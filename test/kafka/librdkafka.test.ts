import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, afterEach, beforeEach, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { StreamsBuilder, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { programOfDebian } from '../support/debian-program.ts'
import { readWhole } from '../support/followed-topic.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest, newName } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'
import { read, text, written } from '../support/text-program.ts'

const partitions = 6
const keys = Array.from({ length: 12 }, (_, at) => `customer-${at}`)
const kcat = programOfDebian('kcat')
const skip = 'missing' in kcat ? kcat.missing : false
if ('missing' in kcat && process.env.CI === 'true') throw new Error(`The tests need librdkafka’s producer: ${kcat.missing}`)

/** Adds the customer's name to each order. Both topics must have a key on the same partition. */
function ordersWithNames(): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('orders', read)
    .leftJoin(builder.table('customers', read), (order, name) => `${order} for ${name ?? 'nobody'}`)
    .to('named-orders', written)
  return builder.build()
}

describeWithKafka('Records of librdkafka', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  let log: Log
  let clear: () => Promise<void>
  let running: KafkaApplication

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    clear = under.close
    await log.createTopics(['customers', 'orders', 'named-orders'].map((name) => ({ name, partitions, cleanup: 'delete', retentionMs: null })))
    const producer = await log.producer()
    for (const key of keys) {
      const bytes = Buffer.from(key)
      const partition = partitionForKey(bytes, partitions)
      await producer.send({ topic: 'customers', partition, key: bytes, value: Buffer.from(`Name of ${key}`), headers: [], timestamp: 1 })
    }
    await producer.close()
    running = await KafkaApplication.make({
      cluster: cluster(),
      applicationId: newName('app'),
      topology: ordersWithNames(),
      stateDir: directories.make(),
    })
    await running.application.start()
  })
  afterEach(async () => {
    await running.close()
    assert.deepEqual(running.failures, [])
    await clear()
  })
  after(() => directories.remove())

  /** Sends an order for each key by kcat, and gives the joined orders by key. */
  async function ordersBy(...options: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if ('missing' in kcat) return new Map()
    const argv = ['-P', '-b', cluster().brokers.join(','), '-t', 'orders', '-K', ':', ...options]
    const sent = spawnSync(kcat.program, argv, {
      input: keys.map((key) => `${key}:order\n`).join(''),
      encoding: 'utf8',
      env: { ...process.env, ...kcat.env },
    })
    assert.equal(sent.status, 0, sent.stderr)
    const joined = new Map<string, string>()
    while (joined.size < keys.length) {
      await readWhole(log, 'named-orders', ({ key, value }) => void joined.set(String(key), text.deserialize('', value as Buffer, []) ?? ''))
      await pause(50)
    }
    return joined
  }

  it('orders that kcat writes with its default partitioner find no customer if CRC32 and murmur2 choose different partitions', { skip }, async () => {
    const joined = await ordersBy()
    const lost = keys.filter((key) => joined.get(key) === 'order for nobody')
    const elsewhere = keys.filter((key) => crc32(Buffer.from(key)) % partitions !== partitionForKey(Buffer.from(key), partitions))
    assert.deepEqual(lost, elsewhere)
    assert.ok(lost.length > keys.length / 2, `${lost.length} of ${keys.length} orders are lost`)
  })

  it('orders that kcat writes with -X partitioner=murmur2_random all find their customer', { skip }, async () => {
    const joined = await ordersBy('-X', 'partitioner=murmur2_random')
    assert.deepEqual(
      [...joined.values()],
      [...joined.keys()].map((key) => `order for Name of ${key}`),
    )
  })
})
