import assert from 'node:assert/strict'
import { it } from 'node:test'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { countThroughKills } from './counts-through-kills.ts'

describeWithKafka('Counts on Kafka, exactly once', { own: true }, (cluster) => {
  it('are what a plain loop counts, one after the other, though processes are killed', async () => {
    const report = await countThroughKills({ cluster: cluster(), rounds: 4, seed: 1 })
    assert.deepEqual(report.broken, [])
    assert.equal(report.killedProcesses, 4)
  })
})
