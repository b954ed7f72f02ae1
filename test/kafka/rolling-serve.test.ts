import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Gateway } from '../../connectors/gateway/client/index.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { RoundRobin } from '../support/round-robin.ts'
import { ServerProcesses } from '../support/server-processes.ts'

const names = ['a', 'b', 'c']
const [asking, managing] = ['asking-0123456789abcdef', 'managing-0123456789abcdef']
const swarm = `name: rolled
bees:
  - {name: entrance, type: gateway-input, spec: {name: rolled}}
  - {name: work, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: more, type: module, input: {name: work}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {name: more}}
`
const work = `export default async ({ number }) => {
  await new Promise((done) => setTimeout(done, 20))
  return { number }
}
`

describeWithKafka('A rolling restart of three servers with tokens', { own: true }, (cluster) => {
  it('fails no call of the published client, which turns to another server by itself', { timeout: 600_000 }, async (test) => {
    await using service = await RoundRobin.open()
    const servers = new ServerProcesses({
      brokers: cluster().brokers,
      env: {
        WAGGLE_HOSTS: new URL(service.url).host,
        WAGGLE_TOKENS: `web=${asking}:ask:rolled;operator=${managing}:manage,read`,
        WAGGLE_ANSWER_PARTITIONS: '64',
      },
      token: managing,
    })
    servers.write('work.mjs', work)
    try {
      for (const name of names) service.targets.set(name, new URL(await servers.start(name)))
      const created = await servers.call('a', 'POST', '/v1/swarms', swarm)
      assert.equal(created.status, 201, JSON.stringify(created.body))
      for (const name of names) await servers.until(name, 'rolled', ({ body }) => body?.state === 'running')
      assert.equal((await fetch(`${service.url}/v1/gateways/rolled/request`, { method: 'POST', body: '{}' })).status, 401)
      const latencies: number[] = []
      const failures: string[] = []
      let [isOver, tries] = [false, 0]
      const counting: typeof fetch = (...args) => {
        tries++
        return fetch(...args)
      }
      const clients = Array.from({ length: 6 }, async (_, client) => {
        const gateway = new Gateway(service.url, { token: asking, fetch: counting })
        for (let number = client; !isOver; number += 6) {
          const sentAt = performance.now()
          await gateway.request({ number }, { gateway: 'rolled' }).then(
            (answer) => {
              if (JSON.stringify(answer) !== JSON.stringify({ number })) failures.push(`${number}: ${JSON.stringify(answer)}`)
            },
            (error: unknown) => failures.push(`${number}: ${String(error)}`),
          )
          latencies.push(performance.now() - sentAt)
          await pause(30)
        }
      })
      for (const name of names) {
        service.targets.delete(name)
        assert.equal(await servers.stop(name), 0)
        service.targets.set(name, new URL(await servers.start(name)))
        await servers.until(name, 'rolled', ({ body }) => body?.state === 'running')
        const before = latencies.length
        while (latencies.length < before + 60) await pause(20)
      }
      isOver = true
      await Promise.all(clients)
      const sorted = latencies.toSorted((a, b) => a - b)
      const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
      test.diagnostic(
        `${latencies.length} calls in ${tries} tries: the median took ${at(0.5)} ms, the 99th percentile ${at(0.99)} ms, the slowest ${at(1)} ms`,
      )
      assert.deepEqual(failures, [])
      assert.ok(latencies.length > 100, `only ${latencies.length} calls were made`)
    } finally {
      await servers.close()
    }
  })
})
