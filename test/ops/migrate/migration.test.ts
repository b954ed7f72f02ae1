import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { describeWithKafka } from '../../support/kafka-cluster.ts'
import { ServerHere } from '../../support/server-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

/** A module whose function records each of its calls in a file. For a number below 0, the call ends only after the file go.txt exists. */
const noted = `import { appendFileSync, existsSync } from 'node:fs'
export default async ({ number }) => {
  if (number < 0 && !existsSync(new URL('./go.txt', import.meta.url))) await new Promise(() => {})
  appendFileSync(new URL('./calls.txt', import.meta.url), number + ' ')
  return { number, twice: number * 2 }
}
`

describeWithKafka('waggle migrate', { own: true }, (cluster) => {
  const migrate = (server: ServerHere, argv: readonly string[] = []) =>
    new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((settle) => {
      const env = { ...process.env, WAGGLE_DATA_DIR: join(server.root, 'data'), KAFKA_BROKERS: cluster().brokers.join(',') }
      const child = spawn(process.execPath, [main, 'migrate', ...argv, '--json'], { cwd: server.root, env })
      const said = { out: '', err: '' }
      child.stdout.on('data', (chunk: Buffer) => {
        said.out += chunk.toString()
      })
      child.stderr.on('data', (chunk: Buffer) => {
        said.err += chunk.toString()
      })
      child.once('close', (status) => settle({ status, ...said }))
    })

  it('moves requests, answers and positions of a server to a cluster, and computes no request again', { timeout: 240_000 }, async () => {
    const name = `moved-${randomUUID().slice(0, 8)}`
    const swarm = `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: work, type: module, input: {name: entrance}, spec: {file: ./noted.mjs}}
  - {name: other, type: module, input: {name: entrance}, spec: {file: ./noted.mjs}}
  - {name: both, type: module, input: {join: [work, other]}, spec: {file: ./both.mjs}}
  - {name: answer, type: respond, input: {name: both}}
`
    await using server = await ServerHere.open()
    server.write('noted.mjs', noted)
    server.write('both.mjs', 'export default ({ work }) => work\n')
    assert.equal((await server.call('POST', '/v1/swarms', swarm)).status, 201)
    const ask = (on: ServerHere, number: number) => on.ask(name, { number }, { 'idempotency-key': `k${number}`, 'x-timeout-seconds': '60' })
    const answers = await Promise.all(Array.from({ length: 20 }, async (_, number) => (await ask(server, number)).text()))
    const calls = () => (existsSync(join(server.root, 'calls.txt')) ? readFileSync(join(server.root, 'calls.txt'), 'utf8').trim().split(' ') : [])
    assert.equal(calls().length, 40)

    const refused = await migrate(server)
    assert.equal(refused.status, 3, refused.err)
    assert.match(refused.err, /Another process has .* open/)

    // A request that is in the log and that its bees have not finished.
    const submitted = await fetch(`${server.url}/v1/gateways/${name}/submit`, {
      method: 'POST',
      body: '{"number":-1}',
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(submitted.status, 202)
    const { request_id: open } = (await submitted.json()) as { readonly request_id: string }
    await server.stop()
    server.write('go.txt', '')

    const moved = await migrate(server)
    assert.equal(moved.status, 0, moved.err)
    assert.ok((JSON.parse(moved.out) as { readonly rows: number }).rows >= 20)
    const again = await migrate(server)
    assert.deepEqual([again.status, /WAGGLE_MIGRATION_TARGET/.test(again.err)], [1, true], again.err)

    await using after = await ServerHere.open(
      { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: cluster().brokers.join(','), WAGGLE_DATA_DIR: join(server.root, 'after') },
      server.root,
    )
    for (let number = 0; number < 20; number++) assert.equal(await (await ask(after, number)).text(), answers[number])
    let found: { readonly state: string } | null = null
    for (let attempt = 0; attempt < 600 && found?.state !== 'answered'; attempt++) {
      found = (await after.call('GET', `/v1/requests/${open}`)).body as { readonly state: string }
      await pause(50)
    }
    assert.deepEqual(found, { request_id: open, state: 'answered', answer: { number: -1, twice: -2 }, problem: null })
    assert.deepEqual(JSON.parse(await (await ask(after, 99)).text()), { number: 99, twice: 198 })
    assert.deepEqual(
      calls()
        .map(Number)
        .toSorted((a, b) => a - b),
      [-1, ...Array.from({ length: 20 }, (_, number) => number), 99].flatMap((number) => [number, number]),
    )
  })

  it('moves nothing if the log contains state that waggle migrate does not understand', { timeout: 120_000 }, async () => {
    const name = `counted-${randomUUID().slice(0, 8)}`
    const swarm = `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: count, type: streams, input: {name: entrance}, spec: {file: ./count.mjs}}
  - {name: answer, type: respond, input: {name: count}}
`
    await using server = await ServerHere.open()
    server.write('count.mjs', 'export default { connect: (input) => input.groupByKey().count().toStream() }\n')
    assert.equal((await server.call('POST', '/v1/swarms', swarm)).status, 201)
    assert.equal((await server.ask(name, { number: 1 })).status, 200)
    await server.stop()
    const { status, err } = await migrate(server)
    assert.equal(status, 1, err)
    assert.match(err, /WAGGLE_MIGRATION.*which cannot be moved/s)
  })
})
