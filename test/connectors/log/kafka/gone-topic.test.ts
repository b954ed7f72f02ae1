import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Connections } from '../../../../connectors/log/kafka/cluster/connections.ts'
import { PlatformaticClient } from '../../../../connectors/log/kafka/cluster/platformatic-client.ts'
import { openLogOn } from '../../../../connectors/log/kafka/kafka-log.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { newName, quickOptions, record, valuesBetween } from '../../../support/kafka-log.ts'

describeWithKafka('A topic that is deleted while records are sent', {}, (cluster) => {
  it('accepts new records after it is created again, and treats none of them as a repeat', async () => {
    const topic = newName('topic')
    const client = new Ignorant(topic)
    const log = await openLogOn(client, { ...quickOptions(cluster()), processing: 'at_least_once', transactions: null })
    try {
      await log.createTopics([{ name: topic, partitions: 1, cleanup: 'delete', retentionMs: null }])
      const producer = await log.producer()
      await producer.send(record(topic, 0, 'first'))
      client.isUnknown = true
      await log.topic(topic)
      await assert.rejects(producer.send(record(topic, 0, 'given up')), { code: 'WAGGLE_MISSING_TOPIC' })
      client.isUnknown = false
      await log.topic(topic)
      assert.deepEqual(await producer.send(record(topic, 0, 'third')), { offset: 1 })
      assert.deepEqual(await valuesBetween(log, { topic, partition: 0, from: 0, to: 2 }), ['first', 'third'])
    } finally {
      await log.close()
    }
  })
})

/** A client whose brokers do not know the hidden topics. */
class Ignorant extends PlatformaticClient {
  isUnknown = false
  readonly #topic: string

  constructor(topic: string) {
    super(new Connections({ clientId: 'waggle-test' }))
    this.#topic = topic
  }

  override async metadata(...asked: Parameters<PlatformaticClient['metadata']>) {
    const answer = await super.metadata(...asked)
    const topics = answer.topics.map((one) => (this.isUnknown && one.name === this.#topic ? { ...one, errorCode: 3, partitions: [] } : one))
    return { ...answer, topics }
  }
}
