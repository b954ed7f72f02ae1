import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { paid, writeCountingSwarm } from '../../support/counting-swarm.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('A swarm that counts with the DSL, on the embedded log', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-counting-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const file = writeCountingSwarm(directory)
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0' }
  const start = () => MeasuredProgram.start([main, 'run', file, '--json'], env)

  it('continues to count after a stop and after a kill, and no payment is lost or counted twice', async () => {
    const first = await start()
    assert.deepEqual(await paid(first, { card: 'a' }), [200, { card: 'a', count: 1 }])
    assert.deepEqual(await paid(first, { card: 'b' }), [200, { card: 'b', count: 1 }])
    assert.equal(await first.stop(), 0)
    const second = await start()
    const counts = (await Promise.all(Array.from({ length: 50 }, () => paid(second, { card: 'a' })))).map(([status, body]) =>
      status === 200 ? (body as { count: number }).count : body,
    )
    assert.deepEqual(
      counts.toSorted((a, b) => Number(a) - Number(b)),
      Array.from({ length: 50 }, (_, at) => at + 2),
    )
    const [status, problem] = await paid(second, { amount: 1 })
    assert.equal(status, 502)
    assert.equal((problem as { readonly bee: string }).bee, 'counts')
    await second.kill('with its children')
    const third = await start()
    assert.deepEqual(await paid(third, { card: 'a' }), [200, { card: 'a', count: 52 }])
    assert.equal(await third.stop(), 0)
  })
})
