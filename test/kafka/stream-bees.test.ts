import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { paid, writeCountingSwarm } from '../support/counting-swarm.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'

const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')

describeWithKafka('A swarm that counts with the DSL, on a cluster', { own: true }, (cluster) => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-counting-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const file = writeCountingSwarm(directory)
  const start = (data: string) =>
    MeasuredProgram.start([main, 'run', file, '--log', 'kafka', '--json'], {
      KAFKA_BROKERS: cluster().brokers.join(','),
      WAGGLE_DATA_DIR: join(directory, data),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_PROCESSING: 'exactly_once',
      WAGGLE_INSTANCE: data,
      WAGGLE_SESSION_TIMEOUT_MS: '6000',
    })

  it('goes on counting after a kill, and on another machine from the changelog', async () => {
    const first = await start('one')
    const counts = (await Promise.all(Array.from({ length: 20 }, () => paid(first, { card: 'a' })))).map(
      ([, body]) => (body as { count: number }).count,
    )
    assert.deepEqual(
      counts.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, at) => at + 1),
    )
    const [status, problem] = await paid(first, { amount: 1 })
    assert.deepEqual([status, (problem as { readonly bee: string }).bee], [502, 'counts'])
    await first.kill('with its children')
    const second = await start('one')
    assert.deepEqual(await paid(second, { card: 'a' }), [200, { card: 'a', count: 21 }])
    assert.equal(await second.stop(), 0)
    const elsewhere = await start('two')
    assert.deepEqual(await paid(elsewhere, { card: 'a' }), [200, { card: 'a', count: 22 }])
    assert.equal(await elsewhere.stop(), 0)
  })

  it('begins to count again after a reset, which leaves no topic of its steps behind', async () => {
    const waggle = (...argv: readonly string[]) =>
      spawnSync(process.execPath, [main, ...argv, '--json'], {
        encoding: 'utf8',
        env: { ...process.env, KAFKA_BROKERS: cluster().brokers.join(','), WAGGLE_LOG: 'kafka', WAGGLE_DATA_DIR: join(directory, 'two') },
      })
    const reset = () => waggle('reset', file, '--force', '--gateways')
    let done = reset()
    // A process that was killed or stopped stays a member of its group until its session times out.
    for (let tries = 0; tries < 60 && done.stderr.includes('WAGGLE_GROUP_IN_USE'); tries++) done = reset()
    const { stdout, stderr } = done
    assert.equal(stderr, '')
    const { topics } = JSON.parse(stdout) as { readonly topics: readonly string[] }
    for (const topic of ['waggle.cards-by-card-repartition', 'waggle.cards-payments-by-card-changelog']) assert.ok(topics.includes(topic), topic)
    const left = JSON.parse(waggle('topics', 'list').stdout) as readonly { readonly name: string }[]
    assert.deepEqual(
      left.map(({ name }) => name).filter((name) => name.startsWith('waggle.cards') || name.startsWith('waggle.gateway.')),
      [],
    )
    const again = await start('three')
    assert.deepEqual(await paid(again, { card: 'a' }), [200, { card: 'a', count: 1 }])
    assert.equal(await again.stop(), 0)
  })
})
