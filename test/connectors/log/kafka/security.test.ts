import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { Consumed, Produced, Serdes, Streams } from 'waggle-streams'
import { type KafkaLogOptions, type KafkaSignIn, openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { openKafkaJsLog } from '../../../../connectors/log/kafkajs/kafkajs-log.ts'
import { topology as visits } from '../../../ops/streams/worker-programs/visits.ts'
import { BrokerCertificates } from '../../../support/broker-certificates.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'
import { signInSettings, unsignedToken } from '../../../support/sign-in-settings.ts'

const owner = { name: 'owner', password: 'owner-secret' }
const guest = { name: 'guest', password: 'guest-secret' }

const certificates = new BrokerCertificates()

const wish = { clientListener: 'SASL_SSL', settings, scramUsers: [owner, guest] } as const

describeWithKafka('A secured Kafka cluster', wish, (cluster) => {
  const open = (sasl: KafkaSignIn, options: Partial<KafkaLogOptions> = {}, openLog = openKafkaLog) => {
    const ssl = { ca: readFileSync(certificates.ca) }
    return openLog({ ...quickOptions(cluster()), processing: 'exactly_once', ssl, sasl, ...options })
  }

  const signIns: readonly KafkaSignIn[] = [
    { mechanism: 'plain', username: owner.name, password: owner.password },
    { mechanism: 'scram-sha-256', username: owner.name, password: owner.password },
    { mechanism: 'scram-sha-512', username: owner.name, password: owner.password },
    { mechanism: 'oauthbearer', token: () => unsignedToken(owner.name) },
  ]
  const clients = [
    { client: '@platformatic/kafka', openLog: openKafkaLog, processing: 'exactly_once' },
    { client: 'kafkajs', openLog: openKafkaJsLog, processing: 'at_least_once' },
  ] as const
  const ways = clients.flatMap((one) => signIns.map((signIn) => ({ ...one, signIn })))
  for (const { client, openLog, processing, signIn } of ways) {
    it(`accepts a user with permission to sign in by ${signIn.mechanism}, through ${client}`, async () => {
      const log = await open(signIn, { processing }, openLog)
      const topic = newName('topic')
      await log.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
      const producer = await log.taskProducer({ group: newName('group') })
      producer.append(record(topic, 0, 'secret'))
      const { ends } = await producer.commit({ positions: [{ topic, partition: 0, offset: 0, metadata: '' }], state: [] })
      assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: ends[0]?.offset ?? 0 }), ['secret'])
      await log.close()
    })
  }

  it('accepts the workers of a program with tokens from the main thread', async () => {
    const owners = await open({ mechanism: 'plain', username: owner.name, password: owner.password })
    await owners.createTopics(['visits', 'counted'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
    const stateDir = mkdtempSync(join(tmpdir(), 'waggle-workers-'))
    let tokens = 0
    const token = async () => {
      tokens++
      return unsignedToken(owner.name)
    }
    const kafka = {
      brokers: cluster().brokers,
      ssl: { ca: readFileSync(certificates.ca) },
      sasl: { mechanism: 'oauthbearer', token },
    } as const
    const module = new URL('../../../ops/streams/worker-programs/visits.ts', import.meta.url)
    const streams = new Streams(visits, { applicationId: 'secret', log: { kafka }, stateDir, module, commitIntervalMs: 20 })
    await streams.start()
    const text = Serdes.string()
    await streams.send('visits', { key: 'a', value: '{"page":"p"}' }, Produced.with(text, text))
    for await (const { key, value } of streams.records('counted', Consumed.with(text, Serdes.long()))) {
      assert.deepEqual([key, value], ['p', 1])
      break
    }
    assert.ok(tokens > 1)
    await streams.close({ timeoutMs: 20_000 })
    await owners.close()
    rmSync(stateDir, { recursive: true })
  })

  it('reports a wrong password or a wrong token at the start', async () => {
    const wrong = { mechanism: 'plain', username: owner.name, password: 'wrong' } as const
    await assert.rejects(open(wrong, { processing: 'at_least_once' }, openKafkaJsLog), { code: 'WAGGLE_NOT_PERMITTED' })
    await assert.rejects(open({ mechanism: 'plain', username: owner.name, password: 'wrong' }), { code: 'WAGGLE_NOT_PERMITTED' })
    await assert.rejects(open({ mechanism: 'scram-sha-512', username: owner.name, password: 'wrong' }), { code: 'WAGGLE_NOT_PERMITTED' })
    const noToken = { mechanism: 'oauthbearer', token: () => 'no-token' } as const
    await assert.rejects(open(noToken, { processing: 'at_least_once' }, openKafkaJsLog), { code: 'WAGGLE_NOT_PERMITTED' })
    await assert.rejects(open(noToken), { code: 'WAGGLE_NOT_PERMITTED' })
  })

  it('gets no connection if certificates or keys are unusable, because both clients report that at once', async () => {
    const signIn = { mechanism: 'plain', username: owner.name, password: owner.password } as const
    const pem = readFileSync(certificates.ca)
    for (const ssl of [{ ca: 'no PEM' }, { ca: pem, cert: pem, key: pem }, { cert: 'no PEM' }]) {
      for (const openLog of [openKafkaLog, openKafkaJsLog])
        await assert.rejects(open(signIn, { ssl, processing: 'at_least_once' }, openLog), { code: 'WAGGLE_INVALID_CONFIG', next: /KAFKA_SSL_KEY/ })
    }
  })

  it('refuses clients that do not trust its certificate, or that speak plain text', async () => {
    const signIn = { mechanism: 'plain', username: owner.name, password: owner.password } as const
    await assert.rejects(open(signIn, { ssl: {} }), { code: 'WAGGLE_LOG_UNREACHABLE' })
    await assert.rejects(openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', sasl: signIn }), { code: 'WAGGLE_LOG_UNREACHABLE' })
  })

  it('reports each permission that a user lacks', async () => {
    const topic = newName('topic')
    const owners = await open({ mechanism: 'plain', username: owner.name, password: owner.password })
    await owners.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
    const log = await open({ mechanism: 'scram-sha-256', username: guest.name, password: guest.password }, { processing: 'at_least_once' })
    const notPermitted = { code: 'WAGGLE_NOT_PERMITTED' }
    await assert.rejects(log.createTopics([{ name: newName('topic'), partitions: 1, cleanup: 'delete', retentionMs: null }]), notPermitted)
    await assert.rejects(log.topic(topic), notPermitted)
    const producer = await log.producer()
    await assert.rejects(producer.send(record(topic, 0, 'x')), notPermitted)
    const tasks = await log.taskProducer({ group: 'app' })
    await assert.rejects(tasks.commit({ positions: [{ topic, partition: 0, offset: 0, metadata: '' }], state: [] }), notPermitted)
    const listener = { assigned() {}, revoked() {}, lost() {} }
    const consumer = await log.subscribe({ group: 'app', topics: [topic], offsetReset: 'earliest', isolation: 'committed', listener })
    await assert.rejects(async () => {
      for (;;) await consumer.poll({ maxRecords: 1, maxWaitMs: 1000 })
    }, notPermitted)
    await log.close()
    await owners.close()
  })
})

function settings(): { readonly [name: string]: string } {
  const users = [owner, guest].map(({ name, password }) => `user_${name}="${password}"`).join(' ')
  return {
    ...certificates.brokerSettings(),
    ...signInSettings(users),
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Brokers use plain text among each other.
    'super.users': `User:${owner.name};User:ANONYMOUS`,
  }
}
