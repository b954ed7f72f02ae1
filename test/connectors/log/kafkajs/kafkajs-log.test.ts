import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openKafkaJsLog } from '../../../../connectors/log/kafkajs/kafkajs-log.ts'
import { logContract } from '../../../contract/log.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { kafkaUnderTest, newName, quickOptions } from '../../../support/kafka-log.ts'

describeWithKafka('A log on Kafka through kafkajs', {}, (cluster) => {
  logContract('The Kafka log on kafkajs', () => kafkaUnderTest(cluster(), (options) => openKafkaJsLog({ ...options, processing: 'at_least_once' })))

  describe('A log on kafkajs', () => {
    it('fails at start under exactly_once, which kafkajs does not support', async () => {
      await assert.rejects(openKafkaJsLog({ ...quickOptions(cluster()), processing: 'exactly_once' }), { code: 'WAGGLE_NOT_SUPPORTED' })
    })

    it('starts, and then fails for a subscription with static membership, which kafkajs does not support', async () => {
      const log = await openKafkaJsLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
      const listener = { assigned() {}, revoked() {}, lost() {} }
      const wanted = { group: newName('group'), topics: [], offsetReset: 'earliest', isolation: 'committed', listener, instanceId: 'one' } as const
      await assert.rejects(log.subscribe(wanted), { code: 'WAGGLE_NOT_SUPPORTED' })
      await log.close()
    })

    it('fails with the address if no broker answers', async () => {
      const nowhere = { ...quickOptions(cluster()), brokers: ['127.0.0.1:1'], processing: 'at_least_once' } as const
      await assert.rejects(openKafkaJsLog(nowhere), { code: 'WAGGLE_LOG_UNREACHABLE', message: /127\.0\.0\.1:1/ })
    })
  })
})
