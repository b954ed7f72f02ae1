import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Admin, type GroupMember } from '@platformatic/kafka'
import { Kafka, logLevel } from 'kafkajs'
import { openKafkaLog } from '../../../connectors/log/kafka/kafka-log.ts'
import type { Settings } from '../../../ops/config/settings.ts'
import { applicationIdOf, beeTopic, changelogTopic, deadLetterTopic, gatewayTopic } from '../../../topology/topic-names.ts'
import { readWhole } from '../followed-topic.ts'
import type { KafkaCluster } from '../kafka-cluster.ts'
import { createTopic, quickOptions } from '../kafka-log.ts'
import { type Env, eventually, SwarmHere } from '../swarm-here.ts'
import { SwarmProcesses } from '../swarm-processes.ts'

/** Flips one setting on a cluster, and checks that the documented effect changes. */
type KafkaFlip = (cluster: KafkaCluster) => Promise<void>

/** One flip for each setting that has an effect only on a cluster, or another effect there. */
export const kafkaFlips = {
  async kafka_brokers(cluster) {
    await using swarm = await open(cluster)
    assert.equal((await swarm.ask({ number: 1 })).status, 200)
    assert.ok((await lengthOf(cluster, gatewayTopic(swarm.name))) > 0)
    await assert.rejects(open(cluster, { KAFKA_BROKERS: '127.0.0.1:1' }), { code: 'WAGGLE_LOG_UNREACHABLE' })
  },

  async processing(cluster) {
    const lengthAfterOneAnswer = async (processing: string) => {
      await using swarm = await open(cluster, { WAGGLE_PROCESSING: processing })
      assert.equal((await swarm.ask({ number: 1 })).status, 200)
      return lengthOf(cluster, beeTopic(swarm.name, 'answer'))
    }
    // A transaction ends with a record that the broker itself writes.
    assert.equal(await lengthAfterOneAnswer('at_least_once'), 1)
    assert.equal(await lengthAfterOneAnswer('exactly_once'), 2)
  },

  async commit_interval_ms(cluster) {
    const [input, output] = [`in-${randomUUID()}`, `out-${randomUUID()}`]
    for (const topic of [input, output]) await createTopic(cluster, topic, {})
    const bees = `  - {name: orders, type: kafka-input, spec: {topic: ${input}}}
  - {name: work, type: module, input: {stack: [entrance, orders]}, spec: {file: ./work.mjs}}
  - {name: out, type: kafka-output, input: {name: work}, spec: {topic: ${output}}}`
    const position = async (swarm: SwarmHere) => {
      const offsets = await withAdmin(cluster, (admin) => admin.fetchOffsets({ groupId: applicationIdOf(swarm.name), topics: [input] }))
      return Number(offsets[0]?.partitions[0]?.offset ?? -1)
    }
    await send(cluster, input, {})
    {
      await using lazy = await open(cluster, { WAGGLE_COMMIT_INTERVAL_MS: '600000' }, bees)
      await eventually(async () => (await lengthOf(cluster, output)) === 1)
      assert.equal(await position(lazy), -1)
    }
    await using usual = await open(cluster, {}, bees)
    await eventually(async () => (await position(usual)) === 1)
  },

  async linger_ms(cluster) {
    const quickestMs = async (linger: string) => {
      // A commit would send the waiting records.
      await using swarm = await open(cluster, { WAGGLE_LINGER_MS: linger, WAGGLE_COMMIT_INTERVAL_MS: '600000' })
      const took: number[] = []
      for (let number = 0; number < 3; number++) {
        const sentAt = performance.now()
        // Waggle commits an accepted request at once, before the bee's result exists. No later commit sends the result, so the result waits for the linger.
        assert.equal((await swarm.ask({ number, waitMs: 200 })).status, 200)
        took.push(performance.now() - sentAt)
      }
      return Math.min(...took)
    }
    const [usual, lingering] = [await quickestMs('1'), await quickestMs('1000')]
    assert.ok(lingering - usual > 500, `an answer took ${usual} ms, and ${lingering} ms with a linger of a second`)
  },

  async replication_factor(cluster) {
    await using _ = await open(cluster, { WAGGLE_REPLICATION_FACTOR: '1' })
    await assert.rejects(open(cluster, { WAGGLE_REPLICATION_FACTOR: '2' }), /replication/i)
  },

  async answer_partitions(cluster) {
    await using swarm = await open(cluster, { WAGGLE_ANSWER_PARTITIONS: '3' })
    assert.equal((await swarm.topic('-answers'))?.partitions, 3)
  },

  async instance(cluster) {
    await using swarm = await open(cluster, { WAGGLE_INSTANCE: 'hive-7' })
    const [member] = await membersOf(cluster, swarm.name)
    assert.match(member?.groupInstanceId ?? '', /^hive-7/)
  },

  async kafka_client(cluster) {
    await using kafkajs = await open(cluster, { KAFKA_CLIENT: 'kafkajs' })
    assert.equal((await kafkajs.ask({ number: 1 })).status, 200)
    const exactlyOnce = { WAGGLE_PROCESSING: 'exactly_once' }
    await using usual = await open(cluster, { ...exactlyOnce, KAFKA_CLIENT: 'platformatic' })
    assert.equal((await usual.ask({ number: 1 })).status, 200)
    await assert.rejects(open(cluster, { ...exactlyOnce, KAFKA_CLIENT: 'kafkajs' }), { code: 'WAGGLE_INVALID_CONFIG' })
  },

  async kafka_client_id(cluster) {
    await using swarm = await open(cluster, { KAFKA_CLIENT_ID: 'the-bees' })
    const [member] = await membersOf(cluster, swarm.name)
    assert.equal(member?.clientId, 'the-bees')
  },

  async session_timeout_ms(cluster) {
    const swarmWith = async (env: Env) => {
      const swarm = new SwarmProcesses({
        bees: '  - {name: work, type: module, input: {name: entrance}, spec: {file: ./functions.mjs}}',
        functions: 'export default (input) => input\n',
        brokers: cluster.brokers,
        env,
      })
      const program = await swarm.start('one')
      return { swarm, program, [Symbol.asyncDispose]: async () => void (await swarm.close()) }
    }
    await using quick = await swarmWith({ WAGGLE_SESSION_TIMEOUT_MS: '1500' })
    await using usual = await swarmWith({})
    await Promise.all([quick, usual].map(({ program }) => program.kill('alone')))
    await eventually(async () => (await membersOf(cluster, quick.swarm.swarm)).length === 0)
    assert.equal((await membersOf(cluster, usual.swarm.swarm)).length, 1)
  },

  async gpus(cluster) {
    const bees = `  - {name: work, type: module, gpu: 1, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {name: work}}`
    await using able = await open(cluster, { WAGGLE_GPUS: '1' }, bees)
    assert.equal((await able.ask({ number: 1 })).status, 200)
    await using unable = await open(cluster, { WAGGLE_GPUS: '0' }, bees)
    assert.equal((await unable.ask({ number: 1 }, { headers: { 'x-timeout-seconds': '1' } })).status, 504)
  },

  async bees(cluster) {
    await using elsewhere = await open(cluster, { WAGGLE_BEES: 'another' })
    assert.equal((await elsewhere.ask({ number: 1 }, { headers: { 'x-timeout-seconds': '1' } })).status, 504)
    await using here = await open(cluster, { WAGGLE_BEES: 'another,work' })
    assert.equal((await here.ask({ number: 1 })).status, 200)
  },

  async reply_topics(cluster) {
    const replies = `replies-${randomUUID()}`
    await createTopic(cluster, replies, {})
    {
      await using closed = await open(cluster)
      await send(cluster, gatewayTopic(closed.name), { 'waggle-reply-topic': replies })
      await eventually(async () => (await lengthOf(cluster, deadLetterTopic(closed.name))) > 0)
      assert.equal(await lengthOf(cluster, replies), 0)
    }
    await using allowing = await open(cluster, { WAGGLE_REPLY_TOPICS: 'replies-*' })
    await send(cluster, gatewayTopic(allowing.name), { 'waggle-reply-topic': replies })
    await eventually(async () => (await lengthOf(cluster, replies)) > 0)
  },

  async duplicate_retention_seconds(cluster) {
    const bees = `  - {name: a, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: b, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {join: [a, b]}, timeout_seconds: 60}`
    const changesOf = async (swarm: SwarmHere) => {
      const log = await openKafkaLog({ ...quickOptions(cluster), processing: 'at_least_once' })
      const changes = { written: 0, deleted: 0 }
      await readWhole(
        log,
        changelogTopic(applicationIdOf(swarm.name), 'answer-join'),
        ({ value }) => void changes[value === null ? 'deleted' : 'written']++,
      )
      await log.close()
      return changes
    }
    await using short = await open(cluster, { WAGGLE_DUPLICATE_RETENTION_SECONDS: '1' }, bees)
    await using usual = await open(cluster, {}, bees)
    for (const swarm of [short, usual]) assert.equal((await swarm.ask({ number: 1 })).status, 200)
    await eventually(async () => (await changesOf(short)).deleted > 0)
    const kept = await changesOf(usual)
    assert.ok(kept.written > 0 && kept.deleted === 0, JSON.stringify(kept))
  },
} as const satisfies { readonly [key in keyof Settings]?: KafkaFlip }

function open(cluster: KafkaCluster, env: Env = {}, bees?: string): Promise<SwarmHere> {
  const kafka = { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster.brokers.join(','), WAGGLE_PARTITIONS: '1', WAGGLE_SHUTDOWN_SECONDS: '10' }
  return SwarmHere.open({ ...kafka, ...env }, bees === undefined ? {} : { bees })
}

async function withAdmin<T>({ brokers }: KafkaCluster, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = new Kafka({ clientId: 'outsider', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}

async function lengthOf(cluster: KafkaCluster, topic: string): Promise<number> {
  const offsets = await withAdmin(cluster, (admin) => admin.fetchTopicOffsets(topic))
  return offsets.reduce((sum, { high }) => sum + Number(high), 0)
}

async function send({ brokers }: KafkaCluster, topic: string, headers: Env): Promise<void> {
  const producer = new Kafka({ clientId: 'outsider', brokers: [...brokers], logLevel: logLevel.NOTHING }).producer({ allowAutoTopicCreation: false })
  await producer.connect()
  await producer.send({ topic, messages: [{ value: '{"number":1}', headers: { 'content-type': 'application/json', ...headers } }] })
  await producer.disconnect()
}

/** The members of a swarm's group, as the brokers see them. */
async function membersOf({ brokers }: KafkaCluster, swarm: string): Promise<readonly GroupMember[]> {
  const admin = new Admin({ clientId: 'outsider', bootstrapBrokers: [...brokers] })
  try {
    const groups = await admin.describeGroups({ groups: [applicationIdOf(swarm)] })
    return [...(groups.get(applicationIdOf(swarm))?.members.values() ?? [])]
  } finally {
    await admin.close()
  }
}
