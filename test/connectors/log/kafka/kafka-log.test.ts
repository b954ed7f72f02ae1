import { describe } from 'node:test'
import { openKafkaLog } from '../../../../connectors/log/kafka/kafka-log.ts'
import { logContract } from '../../../contract/log.ts'
import { describeWithKafka } from '../../../support/kafka-cluster.ts'
import { kafkaUnderTest } from '../../../support/kafka-log.ts'

describeWithKafka('The Kafka log', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    describe(processing, () => {
      logContract(`The Kafka log, ${processing}`, () => kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing })))
    })
  }
})
