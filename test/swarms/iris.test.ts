import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

it('The iris swarm names a flower by its measurements, and refuses too few of them', async () => {
  const root = resolve(import.meta.dirname, '..', '..')
  const data = mkdtempSync(join(tmpdir(), 'waggle-iris-'))
  const program = await MeasuredProgram.start([join(root, 'ops', 'cli', 'main.ts'), 'run', join(root, 'swarms', 'iris', 'swarm.yaml'), '--json'], {
    WAGGLE_DATA_DIR: data,
    WAGGLE_HTTP_PORT: '0',
    WAGGLE_CLICKHOUSE_PORT: '0',
    WAGGLE_PARTITIONS: '1',
  })
  const ask = (body: string) =>
    fetch(`${program.ready.gateway}/v1/gateways/iris/request`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  try {
    const { label, scores } = (await (await ask('[5.1, 3.5, 1.4, 0.2]')).json()) as { readonly label: string; readonly scores: object }
    assert.equal(label, 'setosa')
    assert.deepEqual(Object.keys(scores), ['setosa', 'versicolor', 'virginica'])
    assert.equal((await ask('[5.1, 3.5, 1.4]')).status, 422)
  } finally {
    assert.equal(await program.stop(), 0)
    rmSync(data, { recursive: true })
  }
})
