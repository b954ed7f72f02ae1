import assert from 'node:assert/strict'
import { afterEach, beforeEach, it } from 'node:test'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'
import type { AssignmentListener, Consumer, GroupAssignor, GroupMember, Log, Subscription, TopicPartition } from '../../../../processor/ports.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { dismissMembers, kafkaUnderTest, newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describeWithKafka('A group on Kafka', {}, (cluster) => {
  const open = () => openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
  /** Opens a log whose members join and never send heartbeats. */
  const openSilent = (options: { readonly sessionTimeoutMs: number }) =>
    openKafkaLog({ ...quickOptions(cluster()), ...options, processing: 'at_least_once', heartbeatIntervalMs: 3_600_000 })
  let log: Log
  let close: () => Promise<void>
  let topic: string
  let group: string

  beforeEach(async () => {
    const under = await kafkaUnderTest(cluster(), open)
    log = under.log
    close = under.close
    topic = newName('topic')
    group = newName('group')
    await log.createTopics([{ name: topic, partitions: 6, cleanup: 'delete', retentionMs: null }])
  })

  afterEach(() => close())

  const subscribe = (told: string[], options: Partial<Subscription> = {}, on: Log = log) =>
    on.subscribe({ group, topics: [topic], offsetReset: 'earliest', isolation: 'committed', listener: listener(told), ...options })

  it('lets a member read its kept partitions while other members join', async () => {
    // This member joins and then stops reading responses, so a rebalance waits for it until its session has ended.
    const deaf = await openSilent({ sessionTimeoutMs: 2000 })
    try {
      const told: string[] = []
      const first = await subscribe(told)
      await until([first], () => told.length === 1)
      const producer = await log.producer()
      const joining = await subscribe([], {}, deaf)
      await until([first, joining], () => told.length === 2)
      const read: string[] = []
      while (told.length < 3) {
        await producer.send(record(topic, 0, 'meanwhile'))
        for (const { records } of await first.poll({ maxRecords: 10, maxWaitMs: 10 })) read.push(...records.map(({ value }) => String(value)))
      }
      assert.deepEqual(told, ['assigned 0,1,2,3,4,5', 'revoked 3,4,5', 'assigned 3,4,5'])
      assert.ok(read.length > 5, `${read.length} records during the rebalance`)
    } finally {
      await deaf.close()
    }
  })

  it('makes a member read the partitions of a topic that is created later', async () => {
    const told: string[] = []
    const later = newName('later')
    const consumer = await subscribe(told, { topics: [topic, later] })
    await until([consumer], () => told.length === 1)
    await log.createTopics([{ name: later, partitions: 2, cleanup: 'delete', retentionMs: null }])
    await until([consumer], () => told.length === 2)
    assert.deepEqual(told, ['assigned 0,1,2,3,4,5', 'assigned 0,1'])
    await consumer.close()
  })

  it('runs its assignor at the leader with every member’s data, and sends each member its assignment', async () => {
    const seen: (readonly GroupMember[])[] = []
    const received: string[] = []
    const told: string[] = []
    const assignor = (name: string): GroupAssignor => ({
      name: 'odd-and-even',
      memberData: () => Buffer.from(name),
      assign(members, partitionsOf) {
        seen.push(members)
        return new Map(
          members.map(({ id, data }) => {
            const isOdd = Buffer.from(data).toString() === 'odd' ? 1 : 0
            const numbers = Array.from({ length: partitionsOf(topic) }, (_, at) => at).filter((at) => at % 2 === isOdd)
            return [id, { partitions: numbers.map((partition) => ({ topic, partition })), data: Buffer.from(`you are ${Buffer.from(data)}`) }]
          }),
        )
      },
      received: (data) => void received.push(`${Buffer.from(data)}, ${told.length}`),
    })
    const odd = await subscribe(told, { assignor: assignor('odd') })
    await until([odd], () => told.length === 1)
    const even = await subscribe(told, { assignor: assignor('even') })
    await until([odd, even], () => told.length === 2)
    assert.deepEqual(told, ['assigned 1,3,5', 'assigned 0,2,4'])
    assert.deepEqual(received[0], 'you are odd, 0', 'told before it is assigned anything')
    assert.ok(received.includes('you are even, 1'))
    assert.deepEqual(
      seen.at(-1)?.flatMap(({ owned }) => owned.map(({ partition }) => partition)),
      [1, 3, 5],
    )
    const before = seen.length
    even.rejoin()
    await until([odd, even], () => seen.length > before)
    await odd.close()
    await even.close()
  })

  it('gives a partition to another member only after its owner has released it', async () => {
    let who = 'first'
    const told: string[] = []
    const assignor: GroupAssignor = {
      name: 'all-to-one',
      memberData: () => Buffer.alloc(0),
      received: () => {},
      assign: (members) =>
        new Map(
          members.map(({ id, instanceId }) => [id, { partitions: instanceId === who ? [{ topic, partition: 0 }] : [], data: Buffer.alloc(0) }]),
        ),
    }
    const first = await subscribe([], { assignor, instanceId: 'first', listener: listener(told, 'first ') })
    const second = await subscribe([], { assignor, instanceId: 'second', listener: listener(told, 'second ') })
    await until([first, second], () => told.length === 1)
    who = 'second'
    second.rejoin()
    await until([first, second], () => told.length === 3)
    assert.deepEqual(told, ['first assigned 0', 'first revoked 0', 'second assigned 0'])
    await first.close()
    await second.close()
  })

  it('keeps the seat of a member with an instance id while that member is stopped', async () => {
    const told: string[] = []
    const other = await subscribe(told, { listener: listener(told, 'other ') })
    await until([other], () => told.length === 1)
    const away = await open()
    const leaving = await subscribe([], { instanceId: 'named', listener: listener(told, 'named ') }, away)
    await until([other, leaving], () => told.length === 3)
    await away.close()
    const back = await open()
    const returned = await subscribe([], { instanceId: 'named', listener: listener(told, 'back ') }, back)
    await until([other, returned], () => told.length === 4)
    assert.deepEqual(told, ['other assigned 0,1,2,3,4,5', 'other revoked 3,4,5', 'named assigned 3,4,5', 'back assigned 3,4,5'])
    await back.close()
    await other.close()
  })

  it('drops a silent member, and gives its partitions to other members', async () => {
    const told: string[] = []
    const silent = await openSilent({ sessionTimeoutMs: 1000 })
    try {
      const held = await subscribe([], { listener: listener(told, 'silent ') }, silent)
      await until([held], () => told.length === 1)
      const other = await subscribe([], { listener: listener(told, 'other ') })
      await until([other], () => told.length === 2)
      assert.deepEqual(told, ['silent assigned 0,1,2,3,4,5', 'other assigned 0,1,2,3,4,5'])
      await other.close()
    } finally {
      await silent.close()
    }
  })

  it('takes away the partitions of a removed member and refuses its commits, even before that member polls again', async () => {
    const rounds: (readonly (readonly TopicPartition[])[])[] = []
    const assignor: GroupAssignor = {
      name: 'listening',
      memberData: () => Buffer.alloc(0),
      received: () => {},
      assign(members) {
        rounds.push(members.map(({ owned }) => owned))
        return new Map(members.map(({ id }) => [id, { partitions: [{ topic, partition: 0 }], data: Buffer.alloc(0) }]))
      },
    }
    const told: string[] = []
    const busy = await subscribe(told, { assignor })
    await until([busy], () => told.length === 1)
    const before = rounds.length
    const underWay = await log.taskProducer({ group })
    underWay.append(record(topic, 0, 'under way'))
    await dismissMembers(cluster(), group)
    // This member joins again by itself, and does not poll.
    const other = await open()
    while (rounds.length === before) await other.topic(topic)
    await other.close()
    assert.deepEqual(rounds.at(-1), [[]])
    // Until the member polls again, commits of its producers are refused.
    const nothing = { positions: [], state: [] }
    await assert.rejects(underWay.commit(nothing), { code: 'WAGGLE_FENCED' })
    const later = await log.taskProducer({ group })
    later.append(record(topic, 0, 'later'))
    await assert.rejects(later.commit(nothing), { code: 'WAGGLE_FENCED' })
    await until([busy], () => told.length === 3)
    const producer = await log.taskProducer({ group })
    producer.append(record(topic, 0, 'after'))
    await producer.commit(nothing)
  })

  it('holds back the writes of a member that may have lost its seat, under at_least_once', async () => {
    const told: string[] = []
    const silent = await openSilent({ sessionTimeoutMs: 1000 })
    try {
      const replaced = await subscribe([], { listener: listener(told, 'silent ') }, silent)
      await until([replaced], () => told.length === 1)
      const late = await silent.taskProducer({ group })
      const other = await subscribe([], { listener: listener(told, 'other ') })
      await until([other], () => told.length === 2)
      late.append(record(topic, 0, 'late'))
      const commit = late.commit({ positions: [], state: [] })
      commit.catch(() => {})
      const producer = await log.producer()
      for (let at = 0; at < 50; at++) await producer.send(record(topic, 0, 'of its own'))
      await late.abort()
      await assert.rejects(commit, { code: 'WAGGLE_COMMIT_DROPPED' })
      assert.deepEqual(new Set(await valuesBetween(log, { topic, partition: 0, from: 0, to: 50 })), new Set(['of its own']))
      await other.close()
    } finally {
      await silent.close()
    }
  })

  it('lets a delayed member write again after its coordinator has responded', async () => {
    let heldUpMs = 0
    const clock = { ...systemClock, elapsedMs: () => systemClock.elapsedMs() + heldUpMs }
    const own = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', clock })
    try {
      const told: string[] = []
      const consumer = await subscribe(told, {}, own)
      await until([consumer], () => told.length === 1)
      heldUpMs = 60_000
      const producer = await own.taskProducer({ group })
      producer.append(record(topic, 0, 'after a while'))
      await producer.commit({ positions: [{ topic, partition: 0, offset: 1, metadata: '' }], state: [] })
      assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: 1 }), ['after a while'])
      assert.deepEqual(told, ['assigned 0,1,2,3,4,5'])
    } finally {
      await own.close()
    }
  })

  it('reports to a removed member which partitions it has lost, and lets the member join again', async () => {
    const told: string[] = []
    const consumer = await subscribe(told)
    await until([consumer], () => told.length === 1)
    await dismissMembers(cluster(), group)
    await until([consumer], () => told.length === 3)
    assert.deepEqual(told, ['assigned 0,1,2,3,4,5', 'lost 0,1,2,3,4,5', 'assigned 0,1,2,3,4,5'])
    await consumer.close()
  })
})

async function until(consumers: readonly Consumer[], isSo: () => boolean): Promise<void> {
  while (!isSo()) for (const consumer of consumers) await consumer.poll({ maxRecords: 0, maxWaitMs: 10 })
}

function listener(told: string[], who = ''): AssignmentListener {
  const places = (partitions: readonly TopicPartition[]) =>
    partitions
      .map(({ partition }) => partition)
      .sort((a, b) => a - b)
      .join()
  return {
    assigned: (partitions) => void told.push(`${who}assigned ${places(partitions)}`),
    revoked: (partitions) => void told.push(`${who}revoked ${places(partitions)}`),
    lost: (partitions) => void told.push(`${who}lost ${places(partitions)}`),
  }
}
