import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { it, type TestContext } from 'node:test'
import { Kafka, logLevel } from 'kafkajs'
import { KafkaAdmin } from '../../connectors/log/kafka/kafka-admin.ts'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { withKafkaStreams } from '../../ops/bench/kafka-streams/java.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { newName, quickOptions } from '../support/kafka-log.ts'

const partitions = 7
const random = new SimulatedRandom(5)
const keys = [
  ...['', 'a', 'ab', 'abc', 'abcd', 'grüße', '01a21063-0b65-770e-bf87-12e088b69066'].map((text) => Buffer.from(text)),
  ...Array.from({ length: 200 }, () => Buffer.from(random.bytes(1 + Math.floor(random.next() * 40)))),
]

describeWithKafka('The partition of a key', {}, (cluster) => {
  /** Makes a topic that is deleted after its test. */
  async function newTopic(test: TestContext): Promise<string> {
    const name = newName('keys')
    const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    await log.createTopics([{ name, partitions, cleanup: 'delete', retentionMs: null }])
    await log.close()
    test.after(async () => {
      const admin = new KafkaAdmin(quickOptions(cluster()))
      await admin.delete({ topics: [name], groups: [] })
      await admin.close()
    })
    return name
  }

  it('is the same as with kafkajs’s producer', async (test: TestContext) => {
    const topic = await newTopic(test)
    const kafka = new Kafka({ clientId: 'outsider', brokers: [...cluster().brokers], logLevel: logLevel.NOTHING })
    const producer = kafka.producer()
    await producer.connect()
    for (const key of keys) {
      const [sent] = await producer.send({ topic, messages: [{ key, value: '' }] })
      assert.equal(sent?.partition, partitionForKey(key, partitions), key.toString('hex'))
    }
    await producer.disconnect()
  })

  it('is the same as with Java’s producer', async (test: TestContext) => {
    const program = withKafkaStreams(join(import.meta.dirname, '..', 'peers', 'kafka-streams', 'Producer.java'))
    if ('missing' in program) {
      if (process.env.CI === 'true') throw new Error(`There is no Java client to compare with: ${program.missing}`)
      test.skip(`There is no Java client to compare with: ${program.missing}`)
      return
    }
    const topic = await newTopic(test)
    const { libs, classes } = program
    const argv = ['-cp', `${classes}:${libs}/*`, 'Producer', cluster().brokers.join(','), topic]
    const ran = spawnSync('java', argv, { input: keys.map((key) => `${key.toString('hex')}\n`).join(''), encoding: 'utf8' })
    const chosen = ran.stdout.split('\n').filter((line) => line !== '')
    assert.deepEqual(
      chosen.map(Number),
      keys.map((key) => partitionForKey(key, partitions)),
      ran.stderr,
    )
  })
})
