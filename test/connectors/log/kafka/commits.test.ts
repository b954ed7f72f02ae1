import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { Log, TopicPartition } from '../../../../processor/ports.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { kafkaUnderTest, newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describeWithKafka('A commit on Kafka, exactly once', {}, (cluster) => {
  const open = (options: { readonly instance?: string } = {}) => openKafkaLog({ ...quickOptions(cluster()), ...options, processing: 'exactly_once' })
  let log: Log
  let close: () => Promise<void>
  let topic: string
  let group: string

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), () => open())
    log = under.log
    close = under.close
    topic = newName('topic')
    group = newName('group')
    await log.createTopics([{ name: topic, partitions: 24, cleanup: 'delete', retentionMs: null }])
  })

  afterEach(() => close())

  const positionsOf = async (partitions: number) => {
    const consumer = await log.subscribe({ ...nobody, group, topics: [topic] })
    try {
      return await Promise.all(Array.from({ length: partitions }, (_, partition) => consumer.committed({ topic, partition })))
    } finally {
      await consumer.close()
    }
  }

  it('keeps the positions of all partitions, regardless of their number', async () => {
    const producer = await log.taskProducer({ group })
    const positions = Array.from({ length: 24 }, (_, partition) => ({ topic, partition, offset: partition + 1, metadata: `note ${partition}` }))
    await producer.commit({ positions, state: [] })
    assert.deepEqual(
      await positionsOf(24),
      positions.map(({ offset, metadata }) => ({ offset, metadata })),
    )
  })

  it('keeps the records that a new transaction writes to many partitions', async () => {
    const producer = await log.taskProducer({ group })
    for (let partition = 0; partition < 24; partition++) for (const value of ['a', 'b']) producer.append(record(topic, partition, value))
    const { ends } = await producer.commit({ positions: [], state: [] })
    assert.equal(ends.length, 24)
    for (const { partition, offset } of ends) assert.deepEqual(await valuesBetween(log, { topic, partition, from: 0, to: offset }), ['a', 'b'])
  })

  it('sends one request at a time that brokers verify, so that no request is refused and repeated', async () => {
    const waits: number[] = []
    const clock = { ...systemClock, now: () => systemClock.now(), elapsedMs: () => systemClock.elapsedMs(), after: waited }
    function waited(delayMs: number, callback: () => void): () => void {
      if (delayMs >= 15 && delayMs < 100) waits.push(delayMs)
      return systemClock.after(delayMs, callback)
    }
    const own = await openKafkaLog({ ...quickOptions(cluster()), processing: 'exactly_once', clock, heartbeatIntervalMs: 2000 })
    const producer = await own.taskProducer({ group })
    for (let at = 0; at < 60; at++) {
      producer.append(record(topic, at % 24, String(at)))
      await producer.commit({ positions: [{ topic, partition: 0, offset: at + 1, metadata: '' }], state: [] })
      // The first commits look up the partitions' leaders, so their waits do not count.
      if (at === 24) waits.length = 0
    }
    await own.close()
    assert.deepEqual(waits, [])
  })

  it('writes its records in order even if several commits start together', async () => {
    const producer = await log.taskProducer({ group })
    const commits = Array.from({ length: 30 }, (_, at) => {
      producer.append(record(topic, 0, String(at)))
      return producer.commit({ positions: [{ topic, partition: 0, offset: at + 1, metadata: '' }], state: [] })
    })
    const receipts = await Promise.all(commits)
    const end = receipts.at(-1)?.ends[0]?.offset ?? 0
    assert.deepEqual(
      await valuesBetween(log, { topic, partition: 0, from: 0, to: end }),
      Array.from({ length: 30 }, (_, at) => String(at)),
    )
    assert.equal((await positionsOf(1))[0]?.offset, 30)
  })

  it('leaves neither records nor positions behind if it is aborted, even if its records were already sent', async () => {
    const producer = await log.taskProducer({ group })
    producer.append(record(topic, 0, 'before'))
    await producer.commit({ positions: [{ topic, partition: 0, offset: 1, metadata: '' }], state: [] })
    for (let at = 0; at < 50_000; at++) producer.append(record(topic, 0, 'x'.repeat(100)))
    await written(log, topic)
    await producer.abort()
    producer.append(record(topic, 0, 'after'))
    const { ends } = await producer.commit({ positions: [{ topic, partition: 0, offset: 2, metadata: '' }], state: [] })
    const end = ends[0]?.offset ?? 0
    assert.ok(end > 1000, 'some of what was aborted is in the log')
    assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: end }), ['before', 'after'])
  })

  it('leaves a range readable to its end even if the range ends with markers and aborted records', async () => {
    const producer = await log.taskProducer({ group })
    producer.append(record(topic, 0, 'kept'))
    await producer.commit({ positions: [], state: [] })
    for (let at = 0; at < 50_000; at++) producer.append(record(topic, 0, 'x'.repeat(100)))
    await written(log, topic)
    await producer.abort()
    await producer.commit({ positions: [{ topic, partition: 0, offset: 1, metadata: '' }], state: [] })
    let end = 0
    while (end < 1000) end = (await log.topic(topic))?.offsets[0]?.end ?? 0
    assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: end }), ['kept'])
  })

  it('is refused if its producer was replaced under the same name, and its open records are dropped', async () => {
    const old = await open({ instance: 'one' })
    const fresh = await open({ instance: 'one' })
    try {
      const zombie = await old.taskProducer({ group })
      zombie.append(record(topic, 0, 'first'))
      await zombie.commit({ positions: [], state: [] })
      zombie.append(record(topic, 0, 'zombie'))
      const successor = await fresh.taskProducer({ group })
      successor.append(record(topic, 0, 'second'))
      const { ends } = await successor.commit({ positions: [], state: [] })
      await assert.rejects(zombie.commit({ positions: [{ topic, partition: 0, offset: 9, metadata: '' }], state: [] }), { code: 'WAGGLE_FENCED' })
      assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: ends[0]?.offset ?? 0 }), ['first', 'second'])
      assert.equal((await positionsOf(1))[0], null)
      const again = await old.taskProducer({ group })
      again.append(record(topic, 0, 'third'))
      await again.commit({ positions: [], state: [] })
    } finally {
      await old.close()
      await fresh.close()
    }
  })

  it('is fenced after an abort that came too late, instead of being dropped for ever', async () => {
    const old = await open({ instance: 'late' })
    const fresh = await open({ instance: 'late' })
    try {
      const late = await old.taskProducer({ group })
      late.append(record(topic, 0, 'late'))
      await late.commit({ positions: [], state: [] })
      // Brokers do the same with a transaction that takes too long.
      const successor = await fresh.taskProducer({ group })
      successor.append(record(topic, 0, 'of the next'))
      await successor.commit({ positions: [], state: [] })
      await assert.rejects(late.abort(), { code: 'WAGGLE_FENCED' })
      late.append(record(topic, 0, 'later'))
      await assert.rejects(late.commit({ positions: [], state: [] }), { code: 'WAGGLE_FENCED' })
    } finally {
      await old.close()
      await fresh.close()
    }
  })

  it('contains no records for a partition that was being added to an aborted commit', async () => {
    const producer = await log.taskProducer({ group })
    for (let round = 0; round < 24; round++) {
      producer.append(record(topic, round, 'aborted'))
      const commit = producer.commit({ positions: [{ topic, partition: 0, offset: round + 1, metadata: '' }], state: [] })
      commit.catch(() => {})
      for (let turn = 0; turn < round; turn++) await new Promise((resolve) => setImmediate(resolve))
      await producer.abort()
      producer.append(record(topic, round, 'kept'))
      await producer.commit({ positions: [], state: [] })
    }
  })

  it('is refused if its member has lost the partitions to another member', async () => {
    const other = await open()
    const told: string[] = []
    const listener = (who: string) => ({
      assigned: (partitions: readonly TopicPartition[]) => void told.push(`${who} assigned ${partitions.length}`),
      revoked: () => {},
      lost: (partitions: readonly TopicPartition[]) => void told.push(`${who} lost ${partitions.length}`),
    })
    try {
      // This member is delayed: it does not poll, and does not learn of its removal.
      const asleep = await log.subscribe({ ...nobody, group, topics: [topic], listener: listener('asleep'), instanceId: 'same' })
      while (told.length < 1) await asleep.poll({ maxRecords: 0, maxWaitMs: 10 })
      const producer = await log.taskProducer({ group })
      producer.append(record(topic, 0, 'zombie'))
      // A member with the same instance id takes over the seat.
      const awake = await other.subscribe({ ...nobody, group, topics: [topic], listener: listener('awake'), instanceId: 'same' })
      while (told.length < 2) await awake.poll({ maxRecords: 0, maxWaitMs: 10 })
      assert.deepEqual(told, ['asleep assigned 24', 'awake assigned 24'])
      await assert.rejects(producer.commit({ positions: [{ topic, partition: 0, offset: 9, metadata: '' }], state: [] }), { code: 'WAGGLE_FENCED' })
      assert.equal((await positionsOf(1))[0], null)
      await assert.rejects(
        async () => {
          for (;;) await asleep.poll({ maxRecords: 0, maxWaitMs: 10 })
        },
        { code: 'WAGGLE_FENCED' },
      )
    } finally {
      await other.close()
    }
  })
})

/** Settles when a part of the transaction is stored by a broker. */
async function written(log: Log, topic: string): Promise<void> {
  while (log.load.pendingBytes > 1_000_000) await log.topic(topic)
}

const nobody = { offsetReset: 'earliest', isolation: 'committed', listener: { assigned() {}, revoked() {}, lost() {} } } as const
