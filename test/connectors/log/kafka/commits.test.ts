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

  it('keeps the positions of all partitions, however many go at once', async () => {
    const producer = await log.taskProducer({ group })
    const positions = Array.from({ length: 24 }, (_, partition) => ({ topic, partition, offset: partition + 1, metadata: `note ${partition}` }))
    await producer.commit({ positions, state: [] })
    assert.deepEqual(
      await positionsOf(24),
      positions.map(({ offset, metadata }) => ({ offset, metadata })),
    )
  })

  it('keeps what a fresh transaction writes to many partitions', async () => {
    const producer = await log.taskProducer({ group })
    for (let partition = 0; partition < 24; partition++) for (const value of ['a', 'b']) producer.append(record(topic, partition, value))
    const { ends } = await producer.commit({ positions: [], state: [] })
    assert.equal(ends.length, 24)
    for (const { partition, offset } of ends) assert.deepEqual(await valuesBetween(log, { topic, partition, from: 0, to: offset }), ['a', 'b'])
  })

  it('asks for one thing at a time that brokers verify, so that none is refused and waits to be tried again', async () => {
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
      // The first ones find out who leads what.
      if (at === 24) waits.length = 0
    }
    await own.close()
    assert.deepEqual(waits, [])
  })

  it('follows the one before at once, many times over, in order', async () => {
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

  it('leaves neither records nor positions behind when it is aborted after records went out', async () => {
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

  it('is read to its end, though markers and aborted records come last', async () => {
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

  it('is refused for who has been replaced under its own name, and what was open there is gone', async () => {
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

  it('is fenced, and not dropped for ever, after an abort that came too late', async () => {
    const old = await open({ instance: 'late' })
    const fresh = await open({ instance: 'late' })
    try {
      const late = await old.taskProducer({ group })
      late.append(record(topic, 0, 'late'))
      await late.commit({ positions: [], state: [] })
      // As the brokers do themselves with a transaction that takes too long.
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

  it('knows nothing of what was being made part of one that was aborted meanwhile', async () => {
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

  it('is refused for a member that has lost its partitions to another', async () => {
    const other = await open()
    const told: string[] = []
    const listener = (who: string) => ({
      assigned: (partitions: readonly TopicPartition[]) => void told.push(`${who} assigned ${partitions.length}`),
      revoked: () => {},
      lost: (partitions: readonly TopicPartition[]) => void told.push(`${who} lost ${partitions.length}`),
    })
    try {
      // One that is held up: it neither polls nor hears of its dismissal.
      const asleep = await log.subscribe({ ...nobody, group, topics: [topic], listener: listener('asleep'), instanceId: 'same' })
      while (told.length < 1) await asleep.poll({ maxRecords: 0, maxWaitMs: 10 })
      const producer = await log.taskProducer({ group })
      producer.append(record(topic, 0, 'zombie'))
      // A member that comes under its instance id takes its seat.
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

/** Until some of it is on a broker. */
async function written(log: Log, topic: string): Promise<void> {
  while (log.load.pendingBytes > 1_000_000) await log.topic(topic)
}

const nobody = { offsetReset: 'earliest', isolation: 'committed', listener: { assigned() {}, revoked() {}, lost() {} } } as const
