import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

const names = ['one', 'two', 'three']
/** While one process restarts, a proxy would send requests to the others. So an answer may be late by the time of a restart, but is never missing. */
const longestMs = 30_000

interface Asked {
  readonly ms: number
  /** Null if the request was answered with 200 and its own number. */
  readonly failure: string | null
}

describeWithKafka('A rolling restart under load', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    it(`of three processes fails no request, ${processing}`, { timeout: 600_000 }, async (test) => {
      const swarm = new SwarmProcesses({
        bees: `  - {name: work, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: work}}
  - {name: more, type: module, input: {name: work}, spec: {file: ./functions.mjs, bee: work}}
  - {name: answer, type: respond, input: {name: more}}`,
        functions: 'export const work = async ({ number }) => {\n  await new Promise((done) => setTimeout(done, 20))\n  return { number }\n}\n',
        brokers: cluster().brokers,
        env: { WAGGLE_PROCESSING: processing, WAGGLE_ANSWER_PARTITIONS: '64' },
      })
      const running = new Map<string, MeasuredProgram>()
      try {
        for (const name of names) running.set(name, await swarm.start(name))
        let isOver = false
        const asked: Asked[] = []
        const clients = Array.from({ length: 6 }, async (_, client) => {
          for (let number = client; !isOver; number += 6) {
            const inRotation = [...running.values()]
            const program = inRotation[number % inRotation.length]
            if (program === undefined) throw new Error('No process is in rotation')
            const result = await ask(swarm, program, number)
            // A process may leave the rotation and end before the request connects. A proxy would then use another process.
            const hasLeft = ![...running.values()].includes(program)
            if (hasLeft && result.failure?.includes('ECONNREFUSED')) number -= 6
            else asked.push(result)
            await pause(30)
          }
        })
        for (const name of names) {
          await pause(1000)
          const program = running.get(name)
          running.delete(name)
          assert.equal(await program?.stop(), 0, program?.lastWords)
          running.set(name, await swarm.start(name))
        }
        await pause(1000)
        isOver = true
        await Promise.all(clients)
        const failures = asked.flatMap(({ failure }) => failure ?? [])
        const worstMs = Math.round(Math.max(...asked.map(({ ms }) => ms)))
        test.diagnostic(`${asked.length} requests, the slowest took ${worstMs} ms`)
        assert.deepEqual(failures, [], [...running.values()].map(({ lastWords }) => lastWords).join('\n'))
        assert.ok(asked.length > 100, `only ${asked.length} requests were sent`)
        assert.ok(worstMs < longestMs, `a request took ${worstMs} ms`)
      } finally {
        await swarm.close()
      }
    })
  }
})

async function ask(swarm: SwarmProcesses, program: MeasuredProgram, number: number): Promise<Asked> {
  const sentAt = performance.now()
  const failure = await swarm
    .ask(program, { number })
    .then(async (response) => {
      const text = await response.text()
      return response.status === 200 && text === JSON.stringify({ number }) ? null : `${number}: ${response.status} ${text}`
    })
    .catch((error: Error) => `${number}: ${error.message} ${error.cause}`)
  return { ms: performance.now() - sentAt, failure }
}
