import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { RequestsThroughKills } from '../faults/requests-through-kills.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'

/** Longer than a session, and longer than every time for which the client waits for an answer (30 s at most). */
const silentMs = 33_000
const refusedMs = 27_000

describeWithKafka('Swarms whose brokers are all away for a minute', { own: true }, (cluster) => {
  it('answer every accepted request after their brokers were silent and then refused connections, at least and exactly once', {
    timeout: 600_000,
  }, async (test) => {
    const swarms = await Promise.all(
      (['at_least_once', 'exactly_once'] as const).map((processing) =>
        RequestsThroughKills.start({ cluster: cluster(), processing, processes: processing === 'at_least_once' ? 2 : 1, pauseMs: 500 }),
      ),
    )
    try {
      for (const node of cluster().nodes) node.freeze()
      await pause(silentMs)
      await Promise.all(cluster().nodes.map((node) => node.kill()))
      await pause(refusedMs)
      await Promise.all(cluster().nodes.map((node) => node.start()))
      const backAt = performance.now()
      for (const swarm of swarms) {
        const before = swarm.accepted
        assert.ok(await swarm.untilAccepted(before + 16), `${swarm.status}\n${swarm.lastWords}`)
        test.diagnostic(`${swarm.status}, ${((performance.now() - backAt) / 1000).toFixed(1)} s after the brokers were back`)
      }
      for (const swarm of swarms) {
        const { broken } = await swarm.finish()
        assert.equal(broken.join('\n'), '', `Said before:\n${swarm.lastWords}`)
      }
    } finally {
      await Promise.all(swarms.map((swarm) => swarm.close()))
    }
  })
})
