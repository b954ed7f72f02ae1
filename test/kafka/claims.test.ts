import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { CountingProxy } from '../support/counting-proxy.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { createTopic, quickOptions } from '../support/kafka-log.ts'
import { describeWithS3 } from '../support/s3-server.ts'
import { eventually } from '../support/swarm-here.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

/** `turn` reads a picture and makes another one. */
const bees = `  - {name: turn, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: turn}}
  - {name: answer, type: respond, input: {name: turn}}`
const functions = `export const turn = (input) => {
  if (!(input instanceof Uint8Array)) return input
  return { contentType: 'image/x-turned', bytes: input.toReversed() }
}
`
/** More than the topics of these tests take. */
const large = 300_000
const topicBytes = 20_000

describeWithKafka('Payloads that a broker refuses', { own: true }, (cluster) => {
  const opened = async (env: { readonly [variable: string]: string }) => {
    const swarm = new SwarmProcesses({
      bees,
      functions,
      brokers: cluster().brokers,
      env: { WAGGLE_PARTITIONS: '1', WAGGLE_MAX_INLINE_BYTES: '10000', WAGGLE_SESSION_TIMEOUT_MS: '6000', ...env },
    })
    const topics = [`waggle.gateway.${swarm.gateway}`, `waggle.${swarm.swarm}.turn`, `waggle.${swarm.swarm}.answer`]
    for (const topic of topics) await createTopic(cluster(), topic, { 'max.message.bytes': String(topicBytes) })
    return { swarm, topics }
  }
  const send = (program: MeasuredProgram, gateway: string, body: Uint8Array, verb = 'request') =>
    fetch(`${program.ready.gateway}/v1/gateways/${gateway}/${verb}`, {
      method: 'POST',
      body: new Uint8Array(body),
      headers: { 'content-type': 'image/x-any' },
    })
  const picture = (seed: number) => Buffer.from(new Uint8Array(large).map((_, at) => (at * 31 + seed) % 256))
  const expectTurned = async (response: Response, sent: Uint8Array) => {
    const bytes = Buffer.from(await response.arrayBuffer())
    assert.equal(response.status, 200, bytes.toString().slice(0, 500))
    assert.equal(response.headers.get('content-type'), 'image/x-turned')
    assert.ok(bytes.equals(Buffer.from(sent).reverse()))
  }

  describeWithS3('Payloads on S3', (s3) => {
    it('reach the bee that reads them, which fetches each once, and return to the caller through any process', { timeout: 240_000 }, async () => {
      await s3().makeBucket('large')
      await using proxy = await CountingProxy.before(s3().endpoint)
      const { swarm, topics } = await opened({ ...s3().env, AWS_ENDPOINT_URL_S3: proxy.url, WAGGLE_CLAIM_STORE: 's3://large/payloads' })
      try {
        const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
        const producer = await log.producer()
        const record = { topic: topics[0] ?? '', partition: 0, key: Buffer.from('x'), value: picture(0), headers: [], timestamp: Date.now() }
        await assert.rejects(producer.send(record), { code: 'WAGGLE_RECORD_TOO_LARGE' })
        const programs = [await swarm.start('one'), await swarm.start('two')]
        for (const [at, program] of [...programs, ...programs].entries())
          await expectTurned(await send(program, swarm.gateway, picture(at)), picture(at))
        const gets = proxy.calls.filter((call) => /^GET \/large\/payloads\/./.test(call))
        const puts = proxy.calls.filter((call) => /^PUT \/large\/payloads\/./.test(call))
        // Each request has an input, which the bee fetches, and an answer, which the gateway fetches.
        assert.deepEqual([puts.length, gets.length, new Set(gets).size], [8, 8, 8])
        assert.deepEqual(new Set(gets.map((call) => call.slice(4))), new Set(puts.map((call) => call.slice(4))))
        for (const topic of topics) {
          const end = (await log.topic(topic))?.offsets[0]?.end ?? 0
          for await (const { records } of log.read({ topic, partition: 0, from: 0, to: end }))
            for (const { value } of records) assert.ok(value instanceof Uint8Array && value.length < 400)
        }
        await log.close()
      } finally {
        await swarm.close()
      }
    })

    it('wait for their reader while every process is killed', { timeout: 240_000 }, async () => {
      await s3().makeBucket('waiting')
      const { swarm } = await opened({ ...s3().env, WAGGLE_CLAIM_STORE: 's3://waiting/payloads' })
      try {
        const first = await swarm.start('one')
        const { request_id: id } = (await (await send(first, swarm.gateway, picture(7), 'submit')).json()) as { readonly request_id: string }
        await first.kill('with its children')
        const second = await swarm.start('one')
        const answer = await untilAnswered(second, id)
        assert.ok(Buffer.from(answer, 'base64').equals(picture(7).reverse()))
      } finally {
        await swarm.close()
      }
    })

    it('are refused with the way out where a synchronous bee makes them, or reads them from a join', { timeout: 240_000 }, async () => {
      await s3().makeBucket('refused')
      const swarm = new SwarmProcesses({
        bees: `  - {name: make, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: make}}
  - {name: two, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: two}}
  - {name: size, type: map, input: {name: make}, spec: {expression: 'length(text)'}}
  - {name: copy, type: map, input: {name: make}, spec: {expression: '{copy: text}'}}
  - {name: both, type: map, input: {join: [make, two]}, spec: {expression: 'two'}}
  - {name: last, type: module, input: {join: [size, copy, both]}, spec: {file: ./functions.mjs, bee: last}}
  - {name: answer, type: respond, input: {name: last}}`,
        functions: `export const make = ({ characters }) => ({ text: 'x'.repeat(characters) })
export const two = () => ({ two: 2 })
export const last = (input) => ({ size: input.size })
`,
        brokers: cluster().brokers,
        env: { WAGGLE_PARTITIONS: '1', WAGGLE_MAX_INLINE_BYTES: '10000', ...s3().env, WAGGLE_CLAIM_STORE: 's3://refused/payloads' },
      })
      try {
        const program = await swarm.start('one')
        const small = await swarm.ask(program, { characters: 9_000 })
        assert.deepEqual([small.status, await small.json()], [200, { size: 9_000 }])
        const response = await swarm.ask(program, { characters: 50_000 })
        const { code, bee, detail } = (await response.json()) as { readonly code: string; readonly bee: string; readonly detail: string }
        assert.deepEqual([response.status, code], [502, 'WAGGLE_RESULT_TOO_LARGE'], detail)
        assert.match(`${bee}: ${detail}`, /^(copy: copy made a result of|both: A payload of) 500\d\d bytes/)
        const letters = await eventually(async () => {
          const { dead_letters: all } = (await (await fetch(`${program.ready.gateway}/v1/dead-letters`)).json()) as {
            readonly dead_letters: readonly { readonly bee: string; readonly code: string }[]
          }
          return all.length >= 2 && all
        })
        assert.deepEqual(letters.map((letter) => `${letter.bee} ${letter.code}`).toSorted(), [
          'both WAGGLE_RESULT_TOO_LARGE',
          'copy WAGGLE_RESULT_TOO_LARGE',
        ])
      } finally {
        await swarm.close()
      }
    })
  })

  describe('Payloads in a data directory', () => {
    it('belong to one process, and a second process is refused with the reason', { timeout: 240_000 }, async () => {
      const { swarm } = await opened({ WAGGLE_CLAIM_STORE: 'data-directory' })
      try {
        const first = await swarm.start('one')
        await expectTurned(await send(first, swarm.gateway, picture(1)), picture(1))
        await assert.rejects(swarm.start('two'), /Another process on this cluster keeps large payloads in its data directory/)
        await first.kill('with its children')
        const again = await swarm.start('one')
        await expectTurned(await send(again, swarm.gateway, picture(2)), picture(2))
      } finally {
        await swarm.close()
      }
    })
  })

  /** The answer of a request as base64. */
  async function untilAnswered(program: MeasuredProgram, id: string): Promise<string> {
    for (;;) {
      const response = await fetch(`${program.ready.gateway}/v1/requests/${id}`)
      if (response.status !== 200) continue
      const { state, answer } = (await response.json()) as { readonly state: string; readonly answer: { readonly base64: string } }
      if (state === 'answered') return answer.base64
      assert.equal(state, 'pending')
    }
  }
})
