import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Consumed, Grouped, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { paid, writeCountingSwarm } from '../../support/counting-swarm.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const text = Serdes.string()

interface Result {
  readonly status: number
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly stores: readonly string[]
}

describe('waggle reset on the embedded log', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-reset-'))
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0', WAGGLE_PARTITIONS: '2' }
  const files = ['one', 'two'].map((name) => join(directory, `${name}.yaml`))

  before(() => {
    writeFileSync(join(directory, 'echo.mjs'), 'export default (input) => ({ got: input })\n')
    for (const [at, name] of ['one', 'two'].entries()) {
      const bees = `  - { name: entrance, type: gateway-input, spec: { name: ${name} } }
  - { name: echo, type: module, input: { name: entrance }, spec: { file: ./echo.mjs } }
  - { name: answer, type: respond, input: { name: echo } }`
      writeFileSync(files[at] ?? '', `name: ${name}\nbees:\n${bees}\n`)
    }
  })
  after(() => rmSync(directory, { recursive: true }))

  function reset(...argv: readonly string[]): Promise<Result> {
    return new Promise((settle, fail) => {
      execFile(process.execPath, [main, 'reset', ...argv, '--json'], { env: { ...process.env, ...env } }, (error, out, err) => {
        try {
          settle({ status: Number(error?.code ?? 0), ...(JSON.parse(out) as Omit<Result, 'status'>) })
        } catch (cause) {
          fail(new Error(err, { cause }))
        }
      })
    })
  }

  it('removes one swarm, and keeps the answers of another swarm', async () => {
    let program = await MeasuredProgram.start([main, 'run', ...files, '--json'], env)
    const ask = async (gateway: string, key: string) => {
      const init = { method: 'POST', body: '1', headers: { 'content-type': 'application/json', 'idempotency-key': key } }
      const response = await fetch(`${program.ready.gateway}/v1/gateways/${gateway}/request`, init)
      assert.equal(response.status, 200)
      return response.headers.get('x-request-id') ?? ''
    }
    const ids = [await ask('one', 'a'), await ask('two', 'a')]
    assert.equal(await program.stop(), 0)

    const seen = await reset(files[0] ?? '', '--dry-run')
    assert.deepEqual([seen.status, seen.stores], [0, ['waggle.one']])
    assert.ok(seen.topics.includes('waggle.gateway.one') && seen.topics.every((name) => !name.includes('two')), seen.topics.join())
    const done = await reset(files[0] ?? '', '--force')
    assert.deepEqual([done.status, done.topics], [0, seen.topics])
    const nothing = await reset(files[0] ?? '', '--force')
    assert.deepEqual([nothing.status, nothing.topics, nothing.groups, nothing.stores], [0, [], [], []])

    program = await MeasuredProgram.start([main, 'run', ...files, '--json'], env)
    const found = await Promise.all(ids.map(async (id) => (await fetch(`${program.ready.gateway}/v1/requests/${id}`)).status))
    assert.deepEqual(found, [404, 200])
    await ask('one', 'a')
    assert.equal(await program.stop(), 0)
  })

  it('removes the topics and the state of steps inside a swarm, and keeps the parts of a swarm with a longer name', async () => {
    const swarms = ['cards', 'cards-eu'].map((name) => ({ name, file: writeCountingSwarm(join(directory, name), name) }))
    const paidBoth = async () => {
      const program = await MeasuredProgram.start([main, 'run', ...swarms.map(({ file }) => file), '--json'], env)
      const counts = await Promise.all(swarms.map(({ name }) => paid(program, { card: 'a' }, name)))
      assert.equal(await program.stop(), 0)
      return counts.map(([, answer]) => (answer as { readonly count: number }).count)
    }
    assert.deepEqual(await paidBoth(), [1, 1])
    const { topics, stores } = await reset(swarms[0]?.file ?? '', '--force')
    assert.ok(topics.includes('waggle.cards-by-card-repartition'), topics.join())
    assert.deepEqual([topics.filter((name) => name.includes('-eu')), stores], [[], ['waggle.cards']])
    assert.deepEqual(await paidBoth(), [1, 2])
  })

  it('removes a DSL program’s stores and positions, so that it counts its input from the beginning again', async () => {
    const counted = async (applicationId: string, send: readonly string[], wanted: number) => {
      const builder = new StreamsBuilder()
      const counts = builder
        .stream('words', Consumed.with(text, text))
        .groupBy((_, word) => word, Grouped.with(text, text))
        .count(Materialized.as('counts'))
      counts.toStream().to(`${applicationId}-out`, Produced.with(text, Serdes.long()))
      const streams = new Streams(builder.build(), { applicationId, log: 'embedded', stateDir: env.WAGGLE_DATA_DIR, commitIntervalMs: 5 })
      await streams.start()
      for (const word of send) await streams.send('words', { key: null, value: word }, Produced.with(text, text))
      const seen: unknown[] = []
      for await (const { value } of streams.records(`${applicationId}-out`, Consumed.with(text, Serdes.long()))) {
        seen.push(value)
        if (seen.length >= wanted) break
      }
      await streams.close({ timeoutMs: 10_000 })
      return seen
    }
    assert.deepEqual(await counted('shop', ['a', 'b', 'c'], 3), [1, 1, 1])
    assert.deepEqual(await counted('shop-eu', [], 3), [1, 1, 1])
    const { stores, groups, topics } = await reset('--application', 'shop', '--force')
    assert.deepEqual([stores, groups, topics], [['shop'], ['shop'], ['shop-counts-repartition']])
    assert.deepEqual(await counted('shop', [], 6), [1, 1, 1, 1, 1, 1])
    assert.deepEqual(await counted('shop-eu', ['a'], 4), [1, 1, 1, 2])
  })
})
