import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { openKafkaJsLog } from '../../../../connectors/log/kafkajs/kafkajs-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import {
  bytesIn,
  type CommitReceipt,
  type Consumer,
  type Log,
  type RecordRun,
  type TaskProducer,
  type TopicPartition,
} from '../../../../processor/ports.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { describeWithKafka, type KafkaCluster } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describeWithKafka('A Kafka cluster whose brokers die in turn', { nodes: 3 }, (cluster) => {
  const ways = [
    { name: 'at least once', open: openKafkaLog, processing: 'at_least_once' },
    { name: 'exactly once', open: openKafkaLog, processing: 'exactly_once' },
    { name: 'at least once, through kafkajs', open: openKafkaJsLog, processing: 'at_least_once' },
  ] as const
  for (const { name, open, processing } of ways) {
    describe(name, () => {
      it('has all written and copied records in order', async () => {
        const log = await open({ ...quickOptions(cluster()), processing })
        try {
          const { copied, written, expected } = await copyWhileBrokersDie(log, cluster())
          for (const [partition, values] of copied.entries()) {
            assert.deepEqual(written[partition], expected[partition])
            assert.deepEqual(processing === 'exactly_once' ? values : [...new Set(values)], expected[partition])
          }
        } finally {
          await log.close()
        }
      })
    })
  }
})

const partitions = 3

/** Copies one topic to another as a task does, while each broker is killed and restarted. */
async function copyWhileBrokersDie(log: Log, cluster: KafkaCluster) {
  const [from, to, group] = [newName('from'), newName('to'), newName('group')]
  await log.createTopics([from, to].map((name) => ({ name, partitions, cleanup: 'delete' as const, retentionMs: null })))
  const copying = new Copying(log, { from, to, group })
  const [expected] = await Promise.all([produceUntil(log, from, killOneByOne(cluster)).finally(() => copying.stopAtEnd()), copying.run()])
  const written = await Promise.all(expected.map((_, partition) => valuesIn(log, from, partition)))
  const copied: (readonly string[])[] = []
  for (const [partition, { length }] of written.entries()) {
    // The last commit's marker may still be on its way.
    let values: readonly string[] = []
    while (values.length < length || new Set(values).size < (expected[partition]?.length ?? 0)) values = await valuesIn(log, to, partition)
    copied.push(values)
  }
  return { copied, written, expected }
}

async function valuesIn(log: Log, topic: string, partition: number): Promise<readonly string[]> {
  const end = (await log.topic(topic))?.offsets[partition]?.end ?? 0
  return valuesBetween(log, { topic, partition, from: 0, to: end })
}

async function killOneByOne(cluster: KafkaCluster): Promise<void> {
  for (const node of cluster.nodes) {
    await node.kill()
    await node.start()
    await cluster.inSync()
  }
}

async function produceUntil(log: Log, topic: string, over: Promise<void>): Promise<readonly (readonly string[])[]> {
  let isOver = false
  const ended = over.finally(() => {
    isOver = true
  })
  const producer = await log.producer()
  const expected: string[][] = Array.from({ length: partitions }, () => [])
  while (!isOver) {
    const sent = expected.flatMap((values, partition) =>
      Array.from({ length: 20 }, () => {
        const value = `${partition}-${values.length}`
        values.push(value)
        // A restarted broker forgets producers whose records are a day old by their timestamps, and would accept a retry as a new record.
        return producer.send({ ...record(topic, partition, value), timestamp: systemClock.now() })
      }),
    )
    await Promise.all(sent)
  }
  await ended
  await producer.close()
  return expected
}

/** The minimum of a stream thread: after a failure, it goes back to the last commit. */
class Copying {
  readonly #log: Log
  readonly #names: { readonly from: string; readonly to: string; readonly group: string }
  readonly #positions = new Map<number, number>()
  readonly #owned = new Set<number>()
  #isAllThere = false

  constructor(log: Log, names: { readonly from: string; readonly to: string; readonly group: string }) {
    this.#log = log
    this.#names = names
  }

  /** Stops once every record is copied. */
  stopAtEnd(): void {
    this.#isAllThere = true
  }

  async run(): Promise<void> {
    const { from, group } = this.#names
    let producer = await this.#log.taskProducer({ group })
    const consumer = await this.#log.subscribe({
      group,
      topics: [from],
      offsetReset: 'earliest',
      isolation: 'committed',
      listener: { assigned: (ones) => this.#assigned(ones), revoked: (ones) => this.#gone(ones), lost: (ones) => this.#gone(ones) },
    })
    while (!(this.#isAllThere && (await this.#isAtEnd()))) {
      try {
        const runs = await consumer.poll({ maxRecords: 100, maxWaitMs: 1000 })
        if (runs.length > 0) await this.#copy(producer, runs)
      } catch (error) {
        assert.ok(error instanceof WaggleError, String(error))
        if (error.code === 'WAGGLE_FENCED') producer = await this.#log.taskProducer({ group })
        else await producer.abort().catch(() => {})
        await this.#goBack(consumer)
      }
    }
    await consumer.close()
    await producer.close()
  }

  async #isAtEnd(): Promise<boolean> {
    const info = await this.#log.topic(this.#names.from)
    return info?.offsets.every(({ end }, partition) => (this.#positions.get(partition) ?? 0) >= end) ?? false
  }

  async #copy(producer: TaskProducer, runs: readonly RecordRun[]): Promise<CommitReceipt> {
    const { from, to } = this.#names
    const positions = []
    for (const { partition, records: ones } of runs) {
      for (const { key, value, headers, timestamp } of ones) producer.append({ topic: to, partition, key, value: bytesIn(value), headers, timestamp })
      positions.push({ topic: from, partition, offset: (ones.at(-1)?.offset ?? -1) + 1, metadata: '' })
    }
    const receipt = await producer.commit({ positions, state: [] })
    for (const { partition, offset } of positions) this.#positions.set(partition, offset)
    return receipt
  }

  async #goBack(consumer: Consumer): Promise<void> {
    for (const partition of this.#owned) {
      const place = { topic: this.#names.from, partition }
      consumer.seek(place, (await consumer.committed(place))?.offset ?? 0)
    }
  }

  #assigned(ones: readonly TopicPartition[]): void {
    for (const { partition } of ones) this.#owned.add(partition)
  }

  #gone(ones: readonly TopicPartition[]): void {
    for (const { partition } of ones) this.#owned.delete(partition)
  }
}
