import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import { type CompressionAlgorithmValue, Producer, stringSerializers } from '@platformatic/kafka'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import type { Consumer, Log, LogRecord } from '../../../../processor/ports.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { deleteRecords, deleteTopic, kafkaUnderTest, newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describeWithKafka('A Kafka log that is read', {}, (cluster) => {
  let log: Log
  let close: () => Promise<void>
  let topic: string

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    log = under.log
    close = under.close
    topic = newName('topic')
    await log.createTopics([{ name: topic, partitions: 2, cleanup: 'delete', retentionMs: null }])
  })

  afterEach(() => close())

  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] satisfies CompressionAlgorithmValue[]) {
    it(`gives a reader the records that another client compressed with ${compression}, from any offset`, async () => {
      const other = new Producer({ clientId: 'other', bootstrapBrokers: [...cluster().brokers], serializers: stringSerializers, compression })
      const values = Array.from({ length: 100 }, (_, at) => `value ${at}`)
      await other.send({ messages: values.map((value, at) => ({ topic, partition: 0, key: `key ${at}`, value, headers: { kind: 'test' } })) })
      await other.close()
      assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 37, to: 90 }), values.slice(37, 90))
    })
  }

  it('lets a reader continue with the first kept record if its next records were deleted', async () => {
    const producer = await log.producer()
    for (const value of ['a', 'b', 'c']) await producer.send(record(topic, 0, value))
    await deleteRecords(cluster(), { topic, partition: 0, before: 2 })
    const tasks = await log.taskProducer({ group: 'app' })
    await tasks.commit({ positions: [{ topic, partition: 0, offset: 1, metadata: '' }], state: [] })
    const consumer = await log.subscribe({ ...reading, group: 'app', topics: [topic] })
    assert.deepEqual(await next(consumer, 1), ['c'])
    await consumer.close()
    assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: 3 }), ['c'])
  })

  it('gives all readers of one partition the same records, even with more readers than parallel requests', { timeout: 20_000 }, async () => {
    const readers = Array.from({ length: 5 }, () => log.read({ topic, partition: 0, from: 0 }))
    const runs = readers.map((reader) => reader[Symbol.asyncIterator]())
    const producer = await log.producer()
    for (const value of ['a', 'b']) {
      const came = runs.map(async (one) =>
        (await one.next()).value?.records.map((each: LogRecord) => Buffer.from(each.value as Uint8Array).toString()),
      )
      await producer.send(record(topic, 0, value))
      assert.deepEqual(await Promise.all(came), Array(5).fill([value]))
    }
    for (const reader of readers) await reader.close()
  })

  it('fails a reader, instead of ending it normally, if the log closes before the reader has read everything', async () => {
    const own = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    const reader = own.read({ topic, partition: 0, from: 0, to: 10 })
    await reader.ready
    const first = reader[Symbol.asyncIterator]().next()
    const failed = assert.rejects(first, { code: 'WAGGLE_CLOSED' })
    await own.close()
    await failed
  })

  it('fails the readers of a topic that has been missing for a while, but no other reader', async () => {
    const [gone, there] = [newName('gone'), log.read({ topic, partition: 0, from: 0 })]
    await log.createTopics([{ name: gone, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const reader = log.read({ topic: gone, partition: 0, from: 0 })
    await reader.ready
    const first = reader[Symbol.asyncIterator]().next()
    const other = there[Symbol.asyncIterator]().next()
    const failed = assert.rejects(first, { code: 'WAGGLE_MISSING_TOPIC' })
    await deleteTopic(cluster(), gone)
    await failed
    const producer = await log.producer()
    await producer.send(record(topic, 0, 'there'))
    assert.equal((await other).done, false)
    await there.close()
  })

  it('gives a reader the new records of one partition at once while another partition has none', async () => {
    const consumer = await log.subscribe({ ...reading, group: 'app', topics: [topic] })
    const producer = await log.producer()
    for (let at = 0; at < 20; at++) {
      await producer.send(record(topic, at % 2, String(at)))
      assert.deepEqual(await next(consumer, 1), [String(at)])
    }
    await consumer.close()
  })

  it('buffers only a limited part of a partition that nobody polls, and delivers the rest later', async () => {
    const bounded = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', maxAheadBytes: 1024 * 1024 })
    const producer = await log.producer()
    const large = 'x'.repeat(100_000)
    await Promise.all(Array.from({ length: 60 }, (_, at) => producer.send(record(topic, at % 2, large))))
    const consumer = await bounded.subscribe({ ...reading, group: 'app', topics: [topic] })
    consumer.pause([{ topic, partition: 0 }])
    const values = await next(consumer, 30)
    consumer.resume([{ topic, partition: 0 }])
    values.push(...(await next(consumer, 60 - values.length)))
    assert.deepEqual([...new Set(values)], [large])
    await bounded.close()
  })

  it('follows many partitions at once, and no partition waits for another', async () => {
    const readers = [0, 1].map((partition) => log.read({ topic, partition, from: -1 }))
    await Promise.all(readers.map(({ ready }) => ready))
    const producer = await log.producer()
    const iterators = readers.map((reader) => reader[Symbol.asyncIterator]())
    for (const round of ['a', 'b', 'c']) {
      for (const [partition, iterator] of iterators.entries()) {
        await producer.send(record(topic, partition, round))
        const { value } = await iterator.next()
        assert.equal(String(value.records[0]?.value), round)
      }
    }
    for (const reader of readers) await reader.close()
  })
})

const reading = { offsetReset: 'earliest', isolation: 'committed', listener: { assigned() {}, revoked() {}, lost() {} } } as const

async function next(consumer: Consumer, count: number): Promise<string[]> {
  const values: string[] = []
  while (values.length < count) {
    for (const { records } of await consumer.poll({ maxRecords: 100, maxWaitMs: 10_000 })) values.push(...records.map(({ value }) => String(value)))
  }
  return values
}
