import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { branchingBees, branchingFunctions, expectedOf } from '../support/branching-swarm.ts'

const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')

interface Found {
  readonly state: string
  readonly answer: unknown
  readonly problem: { readonly code: string; readonly bee: string } | null
}

describe('A waggle run of a swarm with branches, a loop and a cache', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-branches-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'swarm.yaml')
  writeFileSync(file, `name: agent\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: agent}}\n${branchingBees}\n`)
  writeFileSync(join(directory, 'functions.mjs'), branchingFunctions)
  const start = () =>
    MeasuredProgram.start([main, 'run', file, '--json'], {
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_DATA_DIR: join(directory, 'data'),
      WAGGLE_CLICKHOUSE_PORT: '0',
    })

  it('answers every accepted request after the same rounds when the process is killed', async () => {
    const accepted = new Map<string, number>()
    for (let life = 0; life < 3; life++) {
      const program = await start()
      const numbers = Array.from({ length: 20 }, (_, at) => 40 * life + 2 * at + 1)
      for (const n of numbers) accepted.set(await submit(program.ready.gateway, n), n)
      await pause(100)
      await program.kill('with its children')
    }
    const program = await start()
    for (const [id, n] of accepted) assert.deepEqual((await settled(program.ready.gateway, id)).answer, expectedOf(n))
    const rounds = [...accepted.values()].reduce((sum, n) => sum + (expectedOf(n).way?.length ?? 0), 0)
    assert.equal(await records(program.ready.gateway, 'waggle.agent.done'), rounds)
    assert.equal(await records(program.ready.gateway, 'waggle.agent.answer'), accepted.size)

    // Results that were remembered before the kills are returned without a round.
    const again = await submit(program.ready.gateway, 1)
    assert.deepEqual((await settled(program.ready.gateway, again)).answer, expectedOf(1))
    assert.equal(await records(program.ready.gateway, 'waggle.agent.done'), rounds)

    const refused = await settled(program.ready.gateway, await submit(program.ready.gateway, -1))
    assert.deepEqual([refused.state, refused.problem?.code, refused.problem?.bee], ['failed', 'WAGGLE_NOT_TAKEN', 'sane'])
    const wrong = await settled(program.ready.gateway, await submit(program.ready.gateway, 'many'))
    assert.deepEqual([wrong.problem?.code, wrong.problem?.bee], ['WAGGLE_EXPRESSION', 'sane'])
    const letters = (await (await fetch(`${program.ready.gateway}/v1/dead-letters`)).json()) as { readonly letters?: readonly unknown[] }
    assert.equal(JSON.stringify(letters).match(/WAGGLE_EXPRESSION/g)?.length, 1, JSON.stringify(letters))
    assert.equal(await program.stop(), 0)
  })
})

async function submit(url: string, n: unknown): Promise<string> {
  const response = await fetch(`${url}/v1/gateways/agent/submit`, {
    method: 'POST',
    body: JSON.stringify({ n }),
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(response.status, 202)
  return ((await response.json()) as { readonly request_id: string }).request_id
}

async function settled(url: string, id: string): Promise<Found> {
  for (const end = performance.now() + 60_000; performance.now() < end; await pause(50)) {
    const found = (await (await fetch(`${url}/v1/requests/${id}`)).json()) as Found
    if (found.state !== 'pending') return found
  }
  throw new Error(`${id} is pending`)
}

async function records(url: string, topic: string): Promise<number> {
  const topics = (await (await fetch(`${url}/v1/topics`)).json()) as readonly {
    readonly name: string
    readonly offsets: readonly { readonly end: number }[]
  }[]
  return topics.find(({ name }) => name === topic)?.offsets.reduce((sum, { end }) => sum + end, 0) ?? 0
}
