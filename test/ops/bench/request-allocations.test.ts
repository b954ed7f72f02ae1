import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { GaugedProgram } from '../../../ops/bench/gauged-program.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const requests = 300
/** Code that is not compiled yet allocates about 175 KiB a request. */
const mostBytes = 220 * 1024

it('A request of hello-world allocates at most 220 KiB', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-allocations-'))
  const swarm = join(root, 'swarms', 'hello-world', 'swarm.yaml')
  const program = await GaugedProgram.start([join(root, 'ops', 'cli', 'main.ts'), 'run', swarm, '--json'], {
    samples: true,
    env: { WAGGLE_DATA_DIR: directory, WAGGLE_HTTP_PORT: '0' },
  })
  try {
    const ask = async () => {
      const response = await fetch(`${program.program.ready.gateway}/v1/gateways/hello/request`, { method: 'POST', body: '{"name":"Bea"}', headers })
      assert.deepEqual([response.status, await response.json()], [200, { greeting: 'Hello, Bea!' }])
    }
    for (let at = 0; at < requests; at++) await ask()
    const { reading } = await program.during(async () => {
      for (let at = 0; at < requests; at++) await ask()
    })
    const bytes = (reading.allocatedBytes ?? Number.NaN) / requests
    assert.ok(bytes > 10 * 1024, `${bytes} bytes were sampled a request`)
    assert.ok(bytes < mostBytes, `a request allocates ${(bytes / 1024).toFixed(0)} KiB`)
  } finally {
    await program.stop()
    rmSync(directory, { recursive: true })
  }
})

const headers = { 'content-type': 'application/json' }
