import assert from 'node:assert/strict'
import { after, it } from 'node:test'
import { AclOperations, AclPermissionTypes, Admin, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka'
import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { countedIn, sendKeys } from '../support/counting-program.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

const text = Serdes.string()
const operator = { name: 'operator', password: 'operator-secret' }
const application = { name: 'application', password: 'application-secret' }
const users = [operator, application].map(({ name, password }) => `user_${name}="${password}"`).join(' ')
const settings = {
  'listener.name.client.sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.client.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users};`,
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // Brokers speak plain text with each other.
  'super.users': `User:${operator.name};User:ANONYMOUS`,
}

/** The rights that docs/kafka.md lists. */
const rights = [
  { on: ResourceTypes.TOPIC, prefix: 'words', operations: ['CREATE', 'DESCRIBE', 'DESCRIBE_CONFIGS', 'READ', 'WRITE'] },
  { on: ResourceTypes.GROUP, prefix: 'words', operations: ['READ', 'DESCRIBE'] },
  { on: ResourceTypes.TRANSACTIONAL_ID, prefix: 'words', operations: ['WRITE', 'DESCRIBE'] },
] as const

describeWithKafka('An application whose user has few rights', { clientListener: 'SASL_PLAINTEXT', settings: () => settings }, (cluster) => {
  const directories = new TemporaryDirectories('kafka-state')
  after(() => directories.remove())

  const admin = () =>
    new Admin({
      clientId: 'operator',
      bootstrapBrokers: [...cluster().brokers],
      sasl: { mechanism: 'PLAIN', username: operator.name, password: operator.password },
    })
  const streams = () => {
    const builder = new StreamsBuilder()
    builder
      .stream('words', Consumed.with(text, text))
      .groupBy((key) => key, Grouped.with(text, text, { name: 'by-word' }))
      .count(Materialized.as('counts'))
      .toStream()
      .to('words-counted', Produced.with(text, Serdes.long()))
    const sasl = { mechanism: 'plain', username: application.name, password: application.password } as const
    const log = { kafka: { brokers: cluster().brokers, sasl } }
    return new Streams(builder.build(), {
      applicationId: 'words',
      log,
      stateDir: directories.make(),
      processing: 'exactly_once',
      commitIntervalMs: 20,
    })
  }

  it('fails with an error that names a missing right, and counts exactly once with the documented rights', async () => {
    const sasl = { mechanism: 'plain', username: operator.name, password: operator.password } as const
    const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once', sasl })
    await log.createTopics(['words', 'words-counted'].map((name) => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })))
    await assert.rejects(streams().start(), { code: 'WAGGLE_NOT_PERMITTED', message: /TOPIC_AUTHORIZATION_FAILED|words/ })

    const operators = admin()
    const creations = rights.flatMap(({ on, prefix, operations }) =>
      operations.map((operation) => ({
        resourceType: on,
        resourceName: prefix,
        resourcePatternType: ResourcePatternTypes.PREFIXED,
        principal: `User:${application.name}`,
        host: '*',
        operation: AclOperations[operation],
        permissionType: AclPermissionTypes.ALLOW,
      })),
    )
    await operators.createAcls({ creations })
    await operators.close()

    const counting = streams()
    await counting.start()
    await sendKeys(log, 'words', ['bee-1', 'bear-2', 'bee-1'])
    while ((await countedIn(log, 'words-counted')).get('bee-1') !== 2);
    assert.equal(counting.failure, null)
    await counting.close({ timeoutMs: 20_000 })
    assert.equal(counting.failure, null)
    await log.close()
  })
})
