import { it } from 'node:test'
import { kafkaFlips } from '../support/flipped/kafka.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'

describeWithKafka('Each setting of a cluster has its documented effect', { own: true }, (cluster) => {
  for (const [key, flip] of Object.entries(kafkaFlips)) it(`${key} changes what its documentation says`, () => flip(cluster()))
})
