import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { branchingBees, branchingFunctions, expectedOf } from '../support/branching-swarm.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

describeWithKafka('A swarm with branches, a loop and a cache on a cluster', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'] as const) {
    it(`answers every accepted request after the same rounds while one of its processes is killed, ${processing}`, { timeout: 240_000 }, async () => {
      // The other process takes over within the 30 s that each request has.
      const env = { WAGGLE_PROCESSING: processing, WAGGLE_SESSION_TIMEOUT_MS: '6000' }
      const processes = new SwarmProcesses({ bees: branchingBees, functions: branchingFunctions, brokers: cluster().brokers, env })
      try {
        const [stays, goes] = await Promise.all([processes.start('stays'), processes.start('goes')])
        const accepted = new Map<string, number>()
        for (let n = 1; n <= 30; n++) {
          const response = await processes.ask(stays, { n }, {}, 'submit')
          assert.equal(response.status, 202)
          accepted.set(((await response.json()) as { readonly request_id: string }).request_id, n)
        }
        await pause(500)
        await goes.kill('with its children')
        for (const [id, n] of accepted) {
          const found = await settled(`${stays.ready.gateway}/v1/requests/${id}`)
          assert.deepEqual(found, { state: 'answered', answer: expectedOf(n) }, `${n}`)
        }
        const refused = await processes.ask(stays, { n: -1 })
        assert.deepEqual([refused.status, ((await refused.json()) as { readonly code: string }).code], [422, 'WAGGLE_NOT_TAKEN'])
      } finally {
        await processes.close()
      }
    })
  }
})

async function settled(url: string): Promise<unknown> {
  for (const end = performance.now() + 120_000; performance.now() < end; await pause(200)) {
    const found = (await (await fetch(url)).json()) as { readonly state?: string; readonly answer: unknown; readonly error?: unknown }
    if (found.state === 'answered') return { state: found.state, answer: found.answer }
    if (found.state !== undefined && found.state !== 'pending') return found
  }
  throw new Error(`${url} is pending`)
}
