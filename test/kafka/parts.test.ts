import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Gateway, type RequestEvent } from 'waggle-streams/client'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

const parts = 25
const requests = 6

describeWithKafka('Parts of results on a cluster', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once'])
    it(`reach a client that goes on at another process when its own is killed, none lost, doubled or different, ${processing}`, {
      timeout: 240_000,
    }, async () => {
      const swarm = new SwarmProcesses({
        bees: `  - {name: chat, type: module, timeout_seconds: 120, input: {name: entrance}, spec: {file: ./functions.mjs, bee: chat}}
  - {name: answer, type: respond, input: {name: chat}}`,
        functions: `export async function* chat({ parts }, request) {
  yield* request.parts
  for (let at = request.parts.length; at < parts; at++) {
    await new Promise((done) => setTimeout(done, 60))
    yield \`part \${at} of \${process.pid};\`
  }
}
`,
        brokers: cluster().brokers,
        env: { WAGGLE_PROCESSING: processing, WAGGLE_SESSION_TIMEOUT_MS: '6000' },
      })
      try {
        const one = await swarm.start('one')
        let now: MeasuredProgram = one
        const two = await swarm.start('two')
        // The client asks a name, behind which the process that lives answers.
        const toLiving: typeof fetch = (input, init) => fetch(String(input).replace('http://waggle.test', now.ready.gateway), init)
        const gateway = new Gateway('http://waggle.test', { timeoutMs: 120_000, fetch: toLiving })
        let killed: Promise<unknown> | null = null
        const streams = await Promise.all(
          Array.from({ length: requests }, async () => {
            const events: RequestEvent[] = []
            for await (const event of gateway.stream({ parts }, { gateway: swarm.gateway })) {
              events.push(event)
              if (event.kind === 'part' && event.number === 5 && killed === null) {
                now = two
                killed = one.kill('with its children')
              }
            }
            return events
          }),
        )
        const runs = new Set<string>()
        for (const events of streams) {
          const got = events.flatMap((event) => (event.kind === 'part' ? [event] : []))
          assert.deepEqual(
            got.map(({ number }) => number),
            Array.from({ length: parts }, (_, at) => at),
          )
          const answer = events.at(-1)
          assert.equal(answer?.kind === 'answer' ? answer.answer : null, got.map(({ part }) => part).join(''))
          for (const [at, { part }] of got.entries()) {
            assert.match(String(part), new RegExp(`^part ${at} of \\d+;$`))
            runs.add(String(part).replace(/^.* of /, ''))
          }
        }
        assert.equal(runs.size, 2, 'both processes have computed parts')
      } finally {
        await swarm.waggle('two', ['reset', swarm.file, '--force', '--gateways'])
        await swarm.close()
      }
    })
})
