import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { smallModel } from '../../ops/bench/small-model.ts'

const swarm = `name: small
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: model, type: tensor-rt, input: { name: entrance }, spec: { model: small.onnx, labels: [no, yes] } }
  - { name: answer, type: respond, input: { name: model } }
`

const directory = mkdtempSync(join(tmpdir(), 'waggle-full-'))
const disk = join(directory, 'disk')
const mounted = mount()

/** Mounts a disk of 32 MiB and fills most of it. False if this machine does not allow a mount. */
function mount(): boolean {
  spawnSync('mkdir', [disk])
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', disk]).status === 0
}

it('A full disk makes gateways answer 503, loses no accepted request, and work goes on when there is space again', {
  skip: mounted ? false : 'a small tmpfs cannot be mounted here (it takes root)',
}, async () => {
  writeFileSync(join(directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  const ballast = join(disk, 'ballast')
  writeFileSync(ballast, Buffer.alloc(16 * 1024 * 1024))
  const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')
  const program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], {
    WAGGLE_DATA_DIR: join(disk, 'data'),
    WAGGLE_HTTP_PORT: '0',
  })
  try {
    const large = `[0,0,9,9]${' '.repeat(300_000)}`
    const submit = (body: string) =>
      fetch(`${program.ready.gateway}/v1/gateways/door/submit`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
    const accepted: string[] = []
    let refused: { readonly status: number; readonly code: string; readonly detail: string } | null = null
    for (let sent = 0; sent < 200 && refused === null; sent++) {
      const response = await submit(large)
      const said = (await response.json()) as { readonly request_id: string; readonly code: string; readonly detail: string }
      if (response.status === 202) accepted.push(said.request_id)
      else refused = { status: response.status, code: said.code, detail: said.detail }
    }
    assert.deepEqual([refused?.status, refused?.code], [503, 'WAGGLE_DISK_FULL'], program.lastWords)
    assert.match(refused?.detail ?? '', /no room left on the disk.*Make room/)
    assert.ok(accepted.length > 0)
    assert.equal((await fetch(`${program.ready.gateway}/healthz`)).status, 200)

    rmSync(ballast)
    while ((await submit('[0,0,9,9]')).status !== 202) await new Promise(setImmediate)
    for (const id of accepted) {
      let state = 'pending'
      while (state === 'pending')
        state = ((await (await fetch(`${program.ready.gateway}/v1/requests/${id}`)).json()) as { readonly state: string }).state
      assert.equal(state, 'answered', id)
    }
  } finally {
    await program.stop()
    spawnSync('umount', [disk])
    rmSync(directory, { recursive: true, force: true })
  }
})
