import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { it } from 'node:test'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

const swarm = `name: deadly
bees:
  - { name: entrance, type: gateway-input, spec: { name: door } }
  - { name: work, type: module, input: { name: entrance }, spec: { file: work.mjs } }
  - { name: answer, type: respond, input: { name: work } }
`

/** The poison record kills the process after the call has been reported, as a fault in a native library would. */
const work = `import { setTimeout } from 'node:timers/promises'
export default async (input) => {
  await setTimeout(100)
  if (input.poison) process.kill(process.pid, 'SIGSEGV')
  return { done: input.n }
}
`

it('A request that kills the process each time fails after three deaths that only it can have caused; all other requests are answered', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-deadly-'))
  writeFileSync(join(directory, 'swarm.yaml'), swarm)
  writeFileSync(join(directory, 'work.mjs'), work)
  const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')
  const start = () =>
    MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0' })
  try {
    let program = await start()
    const submit = async (body: object) => {
      const response = await fetch(`${program.ready.gateway}/v1/gateways/door/submit`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      })
      assert.equal(response.status, 202)
      return ((await response.json()) as { readonly request_id: string }).request_id
    }
    // All other requests get their 202 before the process can die.
    const others = await Promise.all(Array.from({ length: 7 }, (_, n) => submit({ n })))
    const poison = await submit({ poison: true })
    const ids = [poison, ...others]
    let deaths = 0
    while (await diesFirst(program, ids)) {
      deaths++
      assert.ok(deaths <= 4, 'it is tried again and again')
      program = await start()
    }
    assert.ok(deaths >= 3)
    for (const id of ids) {
      const { state, answer, problem } = await requestOf(program, id)
      if (id === poison) assert.deepEqual([state, problem?.code, problem?.bee], ['failed', 'WAGGLE_KILLS_PROCESS', 'work'])
      else assert.deepEqual([state, typeof answer?.done], ['answered', 'number'])
    }
    assert.equal(await program.stop(), 0)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

interface RequestState {
  readonly state: 'pending' | 'answered' | 'failed'
  readonly answer: { readonly done: number } | null
  readonly problem: { readonly code: string; readonly bee: string } | null
}

/** True if the process ends before all requests have an answer or have been given up. */
async function diesFirst(program: MeasuredProgram, ids: readonly string[]): Promise<boolean> {
  let gone = false
  void program.gone.then(() => {
    gone = true
  })
  for (const id of ids) {
    for (let state = 'pending'; state === 'pending'; ) {
      try {
        state = (await requestOf(program, id)).state
      } catch (error) {
        await program.gone
        if (!gone) throw error
        return true
      }
    }
  }
  return false
}

async function requestOf({ ready }: MeasuredProgram, id: string): Promise<RequestState> {
  return (await (await fetch(`${ready.gateway}/v1/requests/${id}`)).json()) as RequestState
}
