import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { Consumed, Produced, Serdes, Streams } from 'waggle-streams'
import { type KafkaLogOptions, type KafkaSignIn, openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { openKafkaJsLog } from '../../../../connectors/log/kafkajs/kafkajs-log.ts'
import { topology as visits } from '../../../ops/streams/worker-programs/visits.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

const owner = { name: 'owner', password: 'owner-secret' }
const guest = { name: 'guest', password: 'guest-secret' }

const directory = mkdtempSync(join(tmpdir(), 'waggle-tls-'))
process.once('exit', () => rmSync(directory, { recursive: true, force: true }))

const wish = { clientListener: 'SASL_SSL', settings, scramUsers: [owner, guest] } as const

describeWithKafka('Kafka over TLS, with users', wish, (cluster) => {
  const open = (sasl: KafkaSignIn, options: Partial<KafkaLogOptions> = {}, openLog = openKafkaLog) => {
    const ssl = { ca: readFileSync(join(directory, 'broker.pem')) }
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
    it(`a secured cluster accepts a user with the right to sign in by ${signIn.mechanism}, through ${client}`, async () => {
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

  it('a secured cluster accepts the workers of a program with tokens of the main thread', async () => {
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
      ssl: { ca: readFileSync(join(directory, 'broker.pem')) },
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

  it('a secured cluster reports a wrong password at start', async () => {
    const wrong = { mechanism: 'plain', username: owner.name, password: 'wrong' } as const
    await assert.rejects(open(wrong, { processing: 'at_least_once' }, openKafkaJsLog), { code: 'WAGGLE_NOT_PERMITTED' })
    await assert.rejects(open({ mechanism: 'plain', username: owner.name, password: 'wrong' }), { code: 'WAGGLE_NOT_PERMITTED' })
    await assert.rejects(open({ mechanism: 'scram-sha-512', username: owner.name, password: 'wrong' }), { code: 'WAGGLE_NOT_PERMITTED' })
  })

  it('a secured cluster refuses clients that do not trust its certificate, or speak plain text', async () => {
    const signIn = { mechanism: 'plain', username: owner.name, password: owner.password } as const
    await assert.rejects(open(signIn, { ssl: {} }), { code: 'WAGGLE_LOG_UNREACHABLE' })
    await assert.rejects(openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', sasl: signIn }), { code: 'WAGGLE_LOG_UNREACHABLE' })
  })

  it('a secured cluster reports each right that a user lacks', async () => {
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

/** Settings of a broker with its own certificate for 127.0.0.1, made by Java's keytool when the broker starts. */
function settings(): { readonly [name: string]: string } {
  const store = join(directory, 'broker.p12')
  const named = ['-alias', 'broker', '-keystore', store, '-storepass', 'changeit', '-storetype', 'PKCS12']
  keytool(['-genkeypair', ...named, '-keyalg', 'EC', '-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', '-validity', '7'])
  keytool(['-exportcert', ...named, '-rfc', '-file', join(directory, 'broker.pem')])
  const users = [owner, guest].map(({ name, password }) => `user_${name}="${password}"`).join(' ')
  const modules = 'org.apache.kafka.common.security'
  return {
    'listener.name.client.ssl.keystore.location': store,
    'listener.name.client.ssl.keystore.type': 'PKCS12',
    'listener.name.client.ssl.keystore.password': 'changeit',
    'listener.name.client.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    'listener.name.client.plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required ${users};`,
    'listener.name.client.scram-sha-256.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'listener.name.client.scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'listener.name.client.oauthbearer.sasl.jaas.config': `${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
    'listener.name.client.oauthbearer.sasl.server.callback.handler.class': `${modules}.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler`,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // Brokers speak plain text among each other.
    'super.users': `User:${owner.name};User:ANONYMOUS`,
  }
}

function keytool(argv: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync('keytool', [...argv], { encoding: 'utf8' })
  assert.equal(status, 0, `${stdout}${stderr}`)
}

/** A token that the brokers' unsecured validator accepts. */
function unsignedToken(subject: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now - 10, exp: now + 3600 })}.`
}
