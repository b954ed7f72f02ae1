import assert from 'node:assert/strict'
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
const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')
const rounds = 3
const callers = 8

it('A request that got 202 survives kill -9, even if another caller sent the same request a moment before', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-twice-'))
  writeFileSync(join(directory, 'small.onnx'), smallModel({ features: 4, labels: 2 }))
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  const start = () =>
    MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], {
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_HTTP_PORT: '0',
    })
  // A payload of this size is written to a file of its own before the commit. The write leaves time for the kill.
  const body = `[0,0,9,9]${' '.repeat(2_000_000)}`
  try {
    for (let round = 0; round < rounds; round++) {
      const program = await start()
      const accepted = new Set<string>()
      const dead = Promise.withResolvers<void>()
      const send = async (key: string) => {
        const headers = { 'content-type': 'application/json', 'idempotency-key': key }
        const response = await fetch(`${program.ready.gateway}/v1/gateways/door/submit`, { method: 'POST', body, headers })
        if (response.status !== 202) return
        accepted.add(response.headers.get('x-request-id') ?? '')
        void program.kill('with its children').then(dead.resolve)
      }
      for (let caller = 0; caller < callers; caller++) void send(`${round}`).catch(() => {})
      await dead.promise
      assert.ok(accepted.size > 0)
      const again = await start()
      try {
        for (const id of accepted) assert.equal(await outcomeOf(again.ready.gateway, id), 'answered', `round ${round}: ${id}`)
      } finally {
        await again.kill('with its children')
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

/** Asks until there is an outcome. After a start the ledger first has to read the log. */
async function outcomeOf(url: string, id: string): Promise<string> {
  let state = 'pending'
  for (let asked = 0; asked < 2000 && state !== 'answered' && state !== 'failed'; asked++) {
    const response = await fetch(`${url}/v1/requests/${id}`)
    state = response.status === 200 ? ((await response.json()) as { readonly state: string }).state : `${response.status}`
  }
  return state
}
