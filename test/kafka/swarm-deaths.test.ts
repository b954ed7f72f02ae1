import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { RequestsThroughKills } from '../faults/requests-through-kills.ts'
import { describeWithKafka, type KafkaCluster } from '../support/kafka-cluster.ts'

describeWithKafka('A swarm whose processes are killed under load', { own: true }, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`answers every accepted request once in effect, with exactly its rows, ${processing}`, { timeout: 300_000 }, () =>
      underLoad(cluster(), processing, async ({ victims }) => {
        for (const name of victims.names) {
          await pause(1500)
          await victims.kill(name)
          await pause(1000)
          await victims.start(name)
        }
        await pause(1000)
      }),
    )
  }
})

describeWithKafka('A swarm under load whose processes lose their seats in the group and go on', { own: true }, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`answers every accepted request once in effect, with exactly its rows, ${processing}`, { timeout: 300_000 }, () =>
      underLoad(cluster(), processing, async ({ victims: { names, frozen } }) => {
        for (const name of names) {
          await pause(1500)
          frozen?.freeze(name)
          // The pause is longer than a session.
          await pause(8000)
          frozen?.thaw(name)
          await pause(1000)
        }
      }),
    )
  }
})

describeWithKafka('A swarm whose broker is killed under load', { nodes: 3, own: true }, (cluster) => {
  it('answers every accepted request once in effect, with exactly its rows', { timeout: 300_000 }, () =>
    underLoad(cluster(), 'at_least_once', async () => {
      const victim = cluster().nodes[1]
      await pause(1500)
      await victim?.kill()
      await pause(5000)
      await victim?.start()
      await pause(2000)
    }),
  )
})

async function underLoad(
  cluster: KafkaCluster,
  processing: 'at_least_once' | 'exactly_once',
  disturb: (requests: RequestsThroughKills) => Promise<void>,
): Promise<void> {
  const requests = await RequestsThroughKills.start({ cluster, processing, processes: 2 })
  try {
    await disturb(requests)
    await requests.untilAccepted(51)
    const { counted, broken } = await requests.finish()
    assert.equal(broken.join('\n'), '', `Said before:\n${requests.lastWords}`)
    assert.ok((counted.requests ?? 0) > 50, `${counted.requests} requests were accepted`)
  } finally {
    await requests.close()
  }
}
