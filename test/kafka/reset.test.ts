import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

interface Parts {
  readonly topics: readonly string[]
  readonly groups: readonly string[]
  readonly stores: readonly string[]
  readonly directories: readonly string[]
  readonly kept: readonly string[]
  readonly deleted: boolean
}

describeWithKafka('waggle topics and waggle reset on a cluster', {}, (cluster) => {
  it('list the topics of a swarm, and delete them so that the swarm starts again', async () => {
    const swarm = new SwarmProcesses({
      bees: `  - {name: count, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: count}}
  - {name: answer, type: respond, input: {name: count}}`,
      functions: 'export const count = (input) => ({ got: input })\n',
      brokers: cluster().brokers,
      env: { WAGGLE_PARTITIONS: '2', WAGGLE_SESSION_TIMEOUT_MS: '6000' },
    })
    const reset = (...options: readonly string[]) => swarm.waggle('one', ['reset', swarm.file, '--json', ...options])
    const gateway = `waggle.gateway.${swarm.gateway}`
    const answers = `waggle.${swarm.swarm}.answer`
    let program = await swarm.start('one')
    const response = await swarm.ask(program, { number: 1 }, { 'idempotency-key': 'once' })
    const id = response.headers.get('x-request-id') ?? ''
    assert.deepEqual(await response.json(), { got: { number: 1 } })

    const list = JSON.parse((await swarm.waggle('two', ['topics', 'list', '--json'])).out) as readonly { name: string; partitions: number }[]
    const named = new Map(list.map(({ name, partitions }) => [name, partitions]))
    assert.deepEqual([named.get(gateway), named.get(answers), named.get(`waggle.${swarm.swarm}-answers`)], [2, 2, 16])
    const tailed = await swarm.waggle('two', ['topics', 'tail', answers, '--from-beginning', '--max', '1', '--json'])
    const { key, value, headers } = JSON.parse(tailed.out) as { key: string; value: string; headers: { [name: string]: string } }
    assert.deepEqual([key, value, headers['content-type']], [id, '{"got":{"number":1}}', 'application/json'])
    assert.equal((await swarm.waggle('two', ['topics', 'tail', 'nowhere'])).status, 1)

    const running = await reset('--force')
    assert.match(running.err, /WAGGLE_(GROUP|DATA_DIR)_IN_USE/)
    assert.equal(await program.stop(), 0)

    const unforced = await reset()
    const seen = JSON.parse((await reset('--dry-run')).out) as Parts
    assert.deepEqual([unforced.status, JSON.parse(unforced.out)], [2, seen])
    assert.equal(seen.deleted, false)
    assert.deepEqual(seen.kept, [gateway])
    assert.deepEqual(seen.directories, [join(swarm.directory, 'one', 'state', `waggle.${swarm.swarm}`)])
    assert.ok(seen.topics.includes(`waggle.${swarm.swarm}-requests-changelog`) && !seen.topics.includes(gateway))
    const others = [...named.keys()].filter((name) => name.includes(swarm.swarm) && !seen.topics.includes(name))
    assert.deepEqual(others, [])

    const done = await reset('--force', '--gateways')
    assert.deepEqual([done.status, done.err], [0, ''])
    assert.deepEqual(JSON.parse(done.out), { ...seen, topics: [...seen.topics, gateway], kept: [], deleted: true })
    assert.equal(existsSync(seen.directories[0] ?? ''), false)

    program = await swarm.start('one')
    assert.equal((await fetch(`${program.ready.gateway}/v1/requests/${id}`)).status, 404)
    const again = await swarm.ask(program, { number: 2 }, { 'idempotency-key': 'once' })
    assert.deepEqual(await again.json(), { got: { number: 2 } })
    assert.equal(await program.stop(), 0)
    assert.equal((await reset('--force', '--gateways')).status, 0)
    await swarm.close()
  })
})
