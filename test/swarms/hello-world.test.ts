import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

it('The hello-world swarm greets a caller with a name, and refuses one without', async () => {
  const root = resolve(import.meta.dirname, '..', '..')
  const data = mkdtempSync(join(tmpdir(), 'waggle-hello-'))
  const program = await MeasuredProgram.start(
    [join(root, 'ops', 'cli', 'main.ts'), 'run', join(root, 'swarms', 'hello-world', 'swarm.yaml'), '--json'],
    {
      WAGGLE_DATA_DIR: data,
      WAGGLE_HTTP_PORT: '0',
    },
  )
  const ask = (body: string) =>
    fetch(`${program.ready.gateway}/v1/gateways/hello/request`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  try {
    assert.deepEqual(await (await ask('{"name": "bear"}')).json(), { greeting: 'Hello, bear!' })
    assert.equal((await ask('{}')).status, 422)
  } finally {
    assert.equal(await program.stop(), 0)
    rmSync(data, { recursive: true })
  }
})
