import assert from 'node:assert/strict'
import { it } from 'node:test'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { CountsThroughKills } from './counts-through-kills.ts'
import { throughKills } from './ordeal.ts'

describeWithKafka('Counts on Kafka under exactly once', { own: true }, (cluster) => {
  it('equal those of a plain loop, in order, although processes are killed', async () => {
    const ordeal = await CountsThroughKills.start(cluster())
    try {
      const isOver = (killed: number) => killed === 4
      const report = await throughKills({ ordeals: [ordeal], seed: 1, pauseMs: [1000, 3000], awayMs: [0, 1000], isOver })
      assert.deepEqual(report.ordeals[0]?.broken, [])
      assert.equal(report.killedProcesses + report.frozenProcesses, 4)
    } finally {
      await ordeal.close()
    }
  })
})
