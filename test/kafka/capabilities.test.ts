import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Consumed, Produced, Serdes, Streams, StreamsBuilder, type Topology } from 'waggle-streams'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { smallModel } from '../../ops/bench/small-model.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { kafkaUnderTest } from '../support/kafka-log.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'
import { TemporaryDirectories } from '../support/temporary-directories.ts'

/** The module of the large bee throws when it is loaded on a machine without a GPU. */
const functions = `export const small = (input) => input
`
const large = `if (process.env.WAGGLE_GPUS !== '1') throw new Error('there is no GPU here')
export default ({ number }) => ({ number, by: process.pid })
`

describeWithKafka('Capabilities on a Kafka cluster', {}, (cluster) => {
  describe('A swarm with one bee that needs a GPU', () => {
    let swarm: SwarmProcesses
    let plain: MeasuredProgram

    before(async () => {
      swarm = new SwarmProcesses({
        bees: `  - {name: small, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: small}}
  - {name: large, type: module, gpu: 1, input: {name: small}, spec: {file: ./large.mjs}}
  - {name: answer, type: respond, input: {name: large}}`,
        functions,
        brokers: cluster().brokers,
        env: { WAGGLE_SESSION_TIMEOUT_MS: '6000' },
      })
      writeFileSync(join(swarm.directory, 'large.mjs'), large)
      plain = await swarm.start('plain', { WAGGLE_GPUS: '0' })
    })
    after(async () => {
      assert.equal(await plain.stop(), 0)
      assert.equal((await swarm.waggle('plain', ['reset', swarm.file, '--force', '--gateways'])).status, 0)
      await swarm.close()
    })

    const said = async (program: MeasuredProgram, what: RegExp) => {
      for (let attempt = 0; attempt < 300 && !what.test(program.lastWords); attempt++) await pause(50)
      assert.match(program.lastWords, what)
    }
    const stateOf = async (id: string) =>
      (await (await fetch(`${plain.ready.gateway}/v1/requests/${id}`)).json()) as { readonly state: string; readonly answer: { readonly by: number } }
    const submitted = async (number: number) =>
      ((await (await swarm.ask(plain, { number }, {}, 'submit')).json()) as { readonly request_id: string }).request_id

    it('starts without a GPU, opens that bee nowhere, and names the missing capability', async () => {
      assert.match(plain.lastWords, /"bee":"large".*"message":"needs gpu: 1, and there is 0 here: it runs in processes that have it"/)
      await said(
        plain,
        /"next":"Start a process that has it.*large.*runs nowhere: no process of the group has gpu: 1, bee:large: 1; .*waits in its topics/,
      )
      assert.equal((await fetch(`${plain.ready.gateway}/readyz`)).status, 200)
    })

    it('processes the records for that bee only in a process that joins with a GPU', async () => {
      const early = await Promise.all([1, 2, 3, 4, 5, 6].map(submitted))
      assert.equal((await stateOf(early[0] ?? '')).state, 'pending')
      const able = await swarm.start('able', { WAGGLE_GPUS: '1' })
      const asked = await Promise.all(
        [7, 8, 9, 10].map(async (number) => ((await (await swarm.ask(plain, { number })).json()) as { readonly by: number }).by),
      )
      const found = await Promise.all(
        early.map(async (id) => {
          for (let attempt = 0; attempt < 600 && (await stateOf(id)).state === 'pending'; attempt++) await pause(50)
          return (await stateOf(id)).answer.by
        }),
      )
      const [by, ...others] = new Set([...asked, ...found])
      assert.deepEqual([typeof by, others], ['number', []])
      await able.kill('with its children')
      const late = await submitted(11)
      const again = await swarm.start('able', { WAGGLE_GPUS: '1' })
      for (let attempt = 0; attempt < 600 && (await stateOf(late)).state === 'pending'; attempt++) await pause(50)
      assert.equal((await stateOf(late)).state, 'answered')
      assert.equal(await again.stop(), 0)
    })
  })

  it('a process with --bees runs only these bees, and another process runs the other bees', { timeout: 120_000 }, async () => {
    const swarm = new SwarmProcesses({
      bees: `  - {name: first, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: first}}
  - {name: second, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: second}}
  - {name: both, type: module, input: {join: [first, second]}, spec: {file: ./functions.mjs, bee: both}}
  - {name: answer, type: respond, input: {name: both}}`,
      functions: 'export const first = () => ({ by: process.env.NAME })\nexport const second = first\nexport const both = (input) => input\n',
      brokers: cluster().brokers,
    })
    try {
      const a = await swarm.start('a', { NAME: 'a' }, ['--bees', 'first,both'])
      const b = await swarm.start('b', { NAME: 'b' }, ['--bees', `${swarm.swarm}/second`])
      for (const program of [a, b]) assert.deepEqual(await (await swarm.ask(program, {})).json(), { first: { by: 'a' }, second: { by: 'b' } })
    } finally {
      await swarm.close()
    }
  })

  it('a process that declares a GPU which the model cannot use fails at start, and a process without a GPU does not run the model', async () => {
    const swarm = new SwarmProcesses({
      bees: `  - {name: model, type: tensor-rt, gpu: 1, input: {name: entrance}, spec: {model: ./model.onnx}}
  - {name: answer, type: respond, input: {name: model}}`,
      functions: '',
      brokers: cluster().brokers,
    })
    writeFileSync(join(swarm.directory, 'model.onnx'), smallModel({ features: 4, labels: 2 }))
    await assert.rejects(swarm.start('boasting', { WAGGLE_GPUS: '1' }), /asks for a GPU and none can be used.*WAGGLE_GPUS=0/s)
    const plain = await swarm.start('plain', { WAGGLE_GPUS: '0' })
    assert.equal(await plain.stop(), 0)
    const preferring = await swarm.start('preferring', { WAGGLE_GPU: 'prefer', WAGGLE_GPUS: '0' })
    assert.equal((await swarm.ask(preferring, [1, 2, 3, 4])).status, 200)
    assert.equal(await preferring.stop(), 0)
    assert.equal((await swarm.waggle('preferring', ['reset', swarm.file, '--force', '--gateways'])).status, 0)
    await swarm.close()
  })

  it('a step of a program runs only in processes whose configuration has the capability that it needs', async () => {
    const directories = new TemporaryDirectories('kafka-state')
    const { log, close } = await kafkaUnderTest(cluster(), (options) => openKafkaLog({ ...options, processing: 'at_least_once' }))
    const [input, between, output] = [`in-${randomUUID()}`, `between-${randomUUID()}`, `out-${randomUUID()}`]
    await log.createTopics([input, between, output].map((name) => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })))
    const applicationId = `able-${randomUUID()}`
    const text = Serdes.string()
    const topology = (by: string): Topology => {
      const builder = new StreamsBuilder()
      builder.stream(input, Consumed.with(text, text)).to(between, Produced.with(text, text))
      builder
        .stream(between, Consumed.with(text, text))
        .mapAsync(async (value) => `${value} by ${by}`, { concurrency: 2, timeoutMs: 1000, name: 'heavy' })
        .to(output, Produced.with(text, text))
      return builder.build().requireCapabilities('heavy', { gpu: 1 })
    }
    const config = { applicationId, log: { kafka: { brokers: cluster().brokers } }, commitIntervalMs: 20 }
    const plain = new Streams(topology('plain'), { ...config, stateDir: directories.make() })
    const able = new Streams(topology('able'), { ...config, stateDir: directories.make(), capabilities: { gpu: 2 } })
    try {
      assert.throws(() => new Streams(topology('x'), { ...config, capabilities: { gpu: -1 } }), { code: 'WAGGLE_INVALID_CONFIG' })
      await plain.start()
      assert.match(String(plain.failure?.message), /heavy.*runs nowhere/)
      const sent = Array.from({ length: 12 }, (_, at) => plain.send(input, { key: String(at), value: String(at) }, Produced.with(text, text)))
      await Promise.all(sent)
      await able.start()
      const got: (string | null)[] = []
      for await (const { value } of able.records(output, Consumed.with(text, text))) {
        got.push(value)
        if (got.length === 12) break
      }
      assert.deepEqual(new Set(got), new Set(Array.from({ length: 12 }, (_, at) => `${at} by able`)))
    } finally {
      await Promise.all([plain, able].map((one) => one.close({ timeoutMs: 10_000 })))
      await close()
      directories.remove()
    }
  })
})
