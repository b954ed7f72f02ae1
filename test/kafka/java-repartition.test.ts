import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Kafka, logLevel } from 'kafkajs'
import { Grouped, Materialized, Serdes, StreamsBuilder, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { withKafkaStreams } from '../../ops/bench/kafka-streams/java.ts'
import type { Log } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { readWhole } from '../support/followed-topic.ts'
import { JavaStreams } from '../support/java-streams.ts'
import { KafkaApplication } from '../support/kafka-application.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest, newName, sendRow } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'
import { read, tableToOut, text } from '../support/text-program.ts'

const partitions = 4
const words = ['bee', 'bear', 'grüße', 'honey', 'bee', 'a-longer-word-than-the-others', 'bee', 'bear']
const counted = { bee: 3, bear: 2, grüße: 1, honey: 1, 'a-longer-word-than-the-others': 1 }
const twice = Object.fromEntries(Object.entries(counted).map(([word, count]) => [word, 2 * count]))
const thrice = Object.fromEntries(Object.entries(counted).map(([word, count]) => [word, 3 * count]))

/** The same program as in `Repartitioner.java`. */
function countsByValue(): Topology {
  const builder = new StreamsBuilder()
  tableToOut(
    builder
      .stream('in', read)
      .groupBy((_, value) => value ?? '', Grouped.with(text, text, { name: 'by-value' }))
      .aggregate(
        () => 0,
        (_key, _value, count) => count + 1,
        Materialized.as<string, number, 'keyValue'>('counts', { keySerde: text, valueSerde: Serdes.long() }),
      ),
  )
  return builder.build()
}

describeWithKafka('A repartition topic of an application that moves', {}, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  after(() => directories.remove())

  it('is read to the end by Waggle when Kafka Streams has left records in it, and Kafka Streams goes on with the counts', async (test) => {
    const peer = withKafkaStreams(join(import.meta.dirname, '..', 'peers', 'kafka-streams', 'Repartitioner.java'))
    if ('missing' in peer) {
      if (process.env.CI === 'true') throw new Error(peer.missing)
      test.skip(peer.missing)
      return
    }
    const { log, close } = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    const applicationId = newName('app')
    const repartition = `${applicationId}-by-value-repartition`
    const java = (...more: readonly string[]) =>
      new JavaStreams({ ...peer, main: 'Repartitioner', arguments: [cluster().brokers.join(','), applicationId, directories.make(), ...more] })
    try {
      await log.createTopics(['in', 'out'].map((name) => ({ name, partitions, cleanup: 'delete', retentionMs: null })))
      const holding = java('holds')
      await holding.start(test.signal)
      for (const word of words) await sendRow(log, ['in', null, word, 1000])
      await until(async () => (await placesIn(log, repartition)).length === words.length, test.signal)
      // Java commits its input position only after the records that it wrote.
      await until(() => hasRead(cluster().brokers, applicationId, words.length), test.signal)
      await holding.stop()
      assert.deepEqual(await lastIn(log), {})
      for (const { word, partition } of await placesIn(log, repartition))
        assert.equal(partition, partitionForKey(Buffer.from(word), partitions), word)

      const here = await KafkaApplication.make({ cluster: cluster(), applicationId, topology: countsByValue(), stateDir: directories.make() })
      await here.application.start()
      await untilLast(log, counted, test.signal)
      for (const word of words) await sendRow(log, ['in', null, word, 2000])
      await untilLast(log, twice, test.signal)
      await here.close()
      // Java's members were killed, and stay in the group until their session is over.
      const others = here.failures.filter(({ code }) => code !== 'WAGGLE_GROUP_IN_USE')
      assert.deepEqual(others, [])

      const there = java()
      await there.start(test.signal)
      for (const word of words) await sendRow(log, ['in', null, word, 3000])
      await untilLast(log, thrice, test.signal)
      await there.stop()
    } finally {
      await close()
    }
  })
})

/** True if a group has read this number of records in partition 0 of the group's input. */
async function hasRead(brokers: readonly string[], groupId: string, count: number): Promise<boolean> {
  const admin = new Kafka({ clientId: 'outsider', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    const [input] = await admin.fetchOffsets({ groupId, topics: ['in'] })
    return input?.partitions.some(({ partition, offset }) => partition === 0 && Number(offset) === count) ?? false
  } finally {
    await admin.disconnect()
  }
}

async function placesIn(log: Log, topic: string): Promise<readonly { readonly word: string; readonly partition: number }[]> {
  const places: { word: string; partition: number }[] = []
  if ((await log.topic(topic)) !== null) await readWhole(log, topic, ({ key }, partition) => void places.push({ word: String(key), partition }))
  return places
}

/** The last count of each word. */
async function lastIn(log: Log): Promise<{ readonly [word: string]: number }> {
  const last = new Map<string, number>()
  await readWhole(
    log,
    'out',
    ({ key, value }) => void last.set(String(key), Number(Buffer.from(value instanceof Uint8Array ? value : []).toString())),
  )
  return Object.fromEntries(last)
}

async function untilLast(log: Log, expected: { readonly [word: string]: number }, signal: AbortSignal): Promise<void> {
  const isReached = async () => {
    const last = await lastIn(log)
    return Object.entries(expected).every(([word, count]) => last[word] === count)
  }
  await until(isReached, signal)
  assert.deepEqual(await lastIn(log), expected)
}

async function until(happened: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await happened())) {
    signal.throwIfAborted()
    await pause(50)
  }
}
