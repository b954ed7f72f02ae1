import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, it } from 'node:test'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { openKafkaJsLog } from '../../../../connectors/log/kafkajs/kafkajs-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../../connectors/system/system-random.ts'
import { exitStatus, reportError } from '../../../../ops/cli/exit-status.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { createTopic, kafkaUnderTest, newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describe('A Kafka cluster that cannot be reached', () => {
  const open = (address: string) =>
    openKafkaLog({ brokers: [address], clientId: 'waggle-test', clock: systemClock, random: new SystemRandom(), processing: 'at_least_once' })

  it('fails the start with exit status 3 and an error that names the address and the setting', async () => {
    const error = await open('127.0.0.1:1').then(
      () => null,
      (thrown: unknown) => thrown,
    )
    assert.ok(error instanceof WaggleError)
    assert.equal(error.code, 'WAGGLE_LOG_UNREACHABLE')
    assert.match(error.message, /127\.0\.0\.1:1/)
    assert.match(error.next, /KAFKA_BROKERS/)
    const said: string[] = []
    const status = reportError(error, { json: false, write: (text) => void said.push(text) })
    assert.equal(status, exitStatus.unreachable)
    assert.match(said.join(''), /127\.0\.0\.1:1/)
  })

  it('fails the start if another server answers at the port', async () => {
    const server = createServer(
      (socket) =>
        void socket
          .on('error', () => {})
          .resume()
          .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    )
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await assert.rejects(open(`127.0.0.1:${port}`), { code: 'WAGGLE_LOG_UNREACHABLE' })
    await new Promise((resolve) => server.close(resolve))
  })

  it('is reported as a mistake in the settings if its address is malformed', async () => {
    await assert.rejects(open('nowhere'), { code: 'WAGGLE_INVALID_CONFIG' })
  })
})

describeWithKafka('Kafka’s limits and refusals', {}, (cluster) => {
  const withLog = (name: string, test: (log: Awaited<ReturnType<typeof openKafkaLog>>) => Promise<void>) =>
    it(name, async () => {
      const under = await kafkaUnderTest(cluster(), ({ maxRecordBytes: _, ...options }) => openKafkaLog({ ...options, processing: 'exactly_once' }))
      try {
        await test(under.log)
      } finally {
        await under.close()
      }
    })

  withLog('an existing topic with other partitions or another cleanup is refused by name, with the found and the wanted value', async (log) => {
    const topic = { name: newName('topic'), partitions: 2, cleanup: 'delete', retentionMs: null } as const
    await log.createTopics([topic])
    await assert.rejects(log.createTopics([{ ...topic, partitions: 3 }]), (error: WaggleError) => {
      assert.equal(error.code, 'WAGGLE_TOPIC_MISMATCH')
      assert.match(error.message, new RegExp(`${topic.name} has 2 partitions, where 3`))
      return true
    })
    await assert.rejects(log.createTopics([{ ...topic, cleanup: 'compact,delete' }]), (error: WaggleError) => {
      assert.equal(error.code, 'WAGGLE_TOPIC_MISMATCH')
      assert.match(error.message, new RegExp(`${topic.name} has cleanup.policy=delete, where compact,delete`))
      return true
    })
  })

  withLog('topics are created with the wanted cleanup and retention', async (log) => {
    const wanted = [
      { name: newName('deleted'), partitions: 1, cleanup: 'delete', retentionMs: 60_000 },
      { name: newName('kept'), partitions: 1, cleanup: 'delete', retentionMs: null },
      { name: newName('compacted'), partitions: 1, cleanup: 'compact', retentionMs: null },
      { name: newName('both'), partitions: 1, cleanup: 'compact,delete', retentionMs: 120_000 },
    ] as const
    await log.createTopics(wanted)
    for (const topic of wanted) {
      const { id, ...made } = (await log.topic(topic.name)) ?? assert.fail(`There is no ${topic.name}`)
      assert.deepEqual(made, { ...topic, offsets: [{ start: 0, end: 0 }] })
      assert.match(id ?? '', /^[\w-]{8,}$/)
    }
  })

  withLog('several processes may create the same topics at once', async (log) => {
    const logs = await Promise.all([1, 2, 3].map(() => openKafkaLog({ ...quickOptions(cluster()), processing: 'exactly_once' })))
    const topics = Array.from({ length: 8 }, () => ({ name: newName('topic'), partitions: 2, cleanup: 'delete' as const, retentionMs: null }))
    await Promise.all([log, ...logs].map((one) => one.createTopics(topics)))
    for (const one of logs) await one.close()
    const names = await log.topics()
    assert.ok(topics.every(({ name }) => names.includes(name)))
  })

  withLog('an existing topic takes the retention of the last start, through either client', async (log) => {
    const topic = {
      name: newName('topic'),
      partitions: 2,
      cleanup: 'delete',
      retentionMs: 60_000,
      asked: { 'max.message.bytes': '4000000' },
    } as const
    await log.createTopics([topic])
    await log.createTopics([topic, { ...topic, retentionMs: null }])
    assert.equal((await log.topic(topic.name))?.retentionMs, 60_000)
    await log.createTopics([{ ...topic, retentionMs: 120_000, retentionBytes: 10_000_000 }])
    assert.equal((await log.topic(topic.name))?.retentionMs, 120_000)
    await log.createTopics([{ ...topic, asked: { 'retention.bytes': '5000000', 'segment.bytes': '1250000', 'max.message.bytes': '4000000' } }])
    const other = await openKafkaJsLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    await other.createTopics([{ ...topic, retentionMs: 180_000 }])
    assert.equal((await other.topic(topic.name))?.retentionMs, 180_000)
    await other.close()
    const made = { ...topic, name: newName('topic'), retentionBytes: 10_000_000 }
    await log.createTopics([made])
    await log.createTopics([{ ...made, asked: { 'retention.bytes': '5000000', 'segment.bytes': '1250000' } }])
  })

  withLog('an existing topic is refused by name if it lacks a value that a setting asks for', async (log) => {
    const topic = { name: newName('topic'), partitions: 1, cleanup: 'compact', retentionMs: null } as const
    await log.createTopics([{ ...topic, asked: { 'min.insync.replicas': '1', 'segment.ms': '600000' } }])
    await log.createTopics([topic, { ...topic, asked: { 'segment.ms': '600000' }, settings: { 'max.compaction.lag.ms': '5' } }])
    await assert.rejects(log.createTopics([{ ...topic, asked: { 'min.insync.replicas': '2' } }]), (error: WaggleError) => {
      assert.equal(error.code, 'WAGGLE_TOPIC_MISMATCH')
      assert.match(error.message, new RegExp(`${topic.name} has min.insync.replicas=1, where 2 is wanted`))
      return true
    })
  })

  withLog('a changelog with a shorter retention than its store is refused by name, and one with a longer retention is used', async (log) => {
    const topic = { name: newName('changelog'), partitions: 1, cleanup: 'compact,delete', retentionMs: 7200_000, leastRetentionMs: 3600_000 } as const
    await log.createTopics([topic])
    for (const least of [60_000, 7200_000]) await log.createTopics([{ ...topic, leastRetentionMs: least, retentionMs: 10 * least }])
    await assert.rejects(log.createTopics([{ ...topic, leastRetentionMs: 7200_001 }]), (error: WaggleError) => {
      assert.equal(error.code, 'WAGGLE_TOPIC_MISMATCH')
      assert.match(error.message, new RegExp(`${topic.name} has retention.ms=7200000, where its store keeps 7200001`))
      return true
    })
    await log.createTopics([{ ...topic, leastRetentionMs: 7200_001, asked: { 'retention.ms': '7200000' } }])
    await assert.rejects(log.createTopics([{ ...topic, asked: { 'retention.ms': '5' } }]), /has retention.ms=7200000, where 5 is wanted/)
  })

  withLog('an existing topic with another replication factor is refused by name if a setting asks for one, and used otherwise', async (log) => {
    const topic = { name: newName('topic'), partitions: 2, cleanup: 'delete', retentionMs: null } as const
    await log.createTopics([topic])
    const one = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', replicationFactor: 1 })
    await one.createTopics([topic])
    await one.close()
    for (const client of [openKafkaLog, openKafkaJsLog]) {
      const two = await client({ ...quickOptions(cluster()), processing: 'at_least_once', replicationFactor: 2 })
      await assert.rejects(two.createTopics([topic]), (error: WaggleError) => {
        assert.equal(error.code, 'WAGGLE_TOPIC_MISMATCH')
        assert.match(error.message, new RegExp(`${topic.name} has 1 replicas \\(replication factor\\), where 2 are wanted`))
        return true
      })
      await two.close()
    }
  })

  withLog('more replicas than brokers give an error that says so', async () => {
    const greedy = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', replicationFactor: 1000 })
    const topic = { name: newName('topic'), partitions: 1, cleanup: 'delete' as const, retentionMs: null }
    await assert.rejects(greedy.createTopics([topic]), { code: 'WAGGLE_REPLICATION' })
    await greedy.close()
  })

  withLog('a record that is too large is refused, and later records are written', async (log) => {
    const topic = newName('topic')
    await log.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const producer = await log.producer()
    await assert.rejects(producer.send(record(topic, 0, 'x'.repeat(2_000_000))), { code: 'WAGGLE_RECORD_TOO_LARGE' })
    assert.deepEqual(await producer.send(record(topic, 0, 'small')), { offset: 0 })
    const tasks = await log.taskProducer({ group: newName('group') })
    tasks.append(record(topic, 0, 'x'.repeat(2_000_000)))
    await assert.rejects(tasks.commit({ positions: [], state: [] }), { code: 'WAGGLE_RECORD_TOO_LARGE' })
    await tasks.abort()
    // The size limit is known now, so the error names the record at once.
    assert.throws(() => tasks.append(record(topic, 0, 'x'.repeat(2_000_000))), { code: 'WAGGLE_RECORD_TOO_LARGE', message: /just refused/ })
    tasks.append(record(topic, 0, 'small again'))
    assert.equal((await tasks.commit({ positions: [], state: [] })).ends.length, 1)
  })

  withLog('a topic with a smaller message limit gets smaller batches, in order', async (log) => {
    const topic = newName('small')
    await createTopic(cluster(), topic, { 'max.message.bytes': '5000' })
    const values = Array.from({ length: 100 }, (_, at) => `${at} ${'x'.repeat(500)}`)
    const producer = await log.producer()
    const sent = await Promise.all(values.map((value) => producer.send(record(topic, 0, value))))
    assert.deepEqual(
      sent.map(({ offset }) => offset),
      values.map((_, at) => at),
    )
    const tasks = await log.taskProducer({ group: newName('group') })
    for (const value of values) tasks.append(record(topic, 0, value))
    const { ends } = await tasks.commit({ positions: [], state: [] })
    assert.deepEqual(ends, [{ topic, partition: 0, offset: 200 }])
    assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: 200 }), [...values, ...values])
  })

  withLog('a timestamp too far ahead is named as the cause of a refusal; topics that Waggle creates take any timestamp', async (log) => {
    const yearAhead = systemClock.now() + 365 * 86_400_000
    const [strict, own] = [newName('strict'), newName('own')]
    await createTopic(cluster(), strict, { 'message.timestamp.after.max.ms': '3600000' })
    await log.createTopics([{ name: own, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const producer = await log.producer()
    const refused = { code: 'WAGGLE_TIME_REFUSED', message: /partition 0 of strict/, next: /clock.*message\.timestamp\.after\.max\.ms/ }
    await assert.rejects(producer.send({ ...record(strict, 0, 'x'), timestamp: yearAhead }), refused)
    assert.deepEqual(await producer.send({ ...record(own, 0, 'x'), timestamp: yearAhead }), { offset: 0 })
  })

  withLog('a closed consumer refuses calls with WAGGLE_CLOSED', async (log) => {
    const topic = newName('topic')
    const listener = { assigned() {}, revoked() {}, lost() {} }
    const consumer = await log.subscribe({ group: newName('group'), topics: [topic], offsetReset: 'earliest', isolation: 'committed', listener })
    await consumer.close()
    await assert.rejects(consumer.poll({ maxRecords: 1, maxWaitMs: 0 }), { code: 'WAGGLE_CLOSED' })
  })
})
