import assert from 'node:assert/strict'
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
})
