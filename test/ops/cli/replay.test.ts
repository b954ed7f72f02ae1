import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { moduleSwarm } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

interface Replayed {
  readonly replay: string
  readonly sent: boolean
  readonly requests: readonly { readonly request_id: string; readonly replay_of: string; readonly gateway: string }[]
  readonly skipped: number
}

describe('waggle replay', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-replay-'))
  const env = { ...process.env, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0' }
  let server: MeasuredProgram

  const start = () =>
    MeasuredProgram.start([main, 'run', 'swarm.yaml', '--json'], { ...(env as { readonly [name: string]: string }) }, { cwd: directory })
  const waggle = (...argv: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> =>
    new Promise((settle) => {
      execFile(process.execPath, [main, ...argv], { cwd: directory, env }, (error, out, err) =>
        settle({ status: error === null ? 0 : Number(error.code), out, err }),
      )
    })
  const replayed = async (...argv: readonly string[]): Promise<Replayed> => {
    const { status, out, err } = await waggle('replay', ...argv, '--json')
    assert.equal(status, 0, err)
    return JSON.parse(out)
  }
  const ask = async (name: string): Promise<string> => {
    const response = await fetch(`${server.ready.gateway}/v1/gateways/greeter/request`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    })
    assert.equal(response.status, 200, await response.text())
    return response.headers.get('x-request-id') ?? ''
  }
  const answerOf = (id: string): Promise<unknown> =>
    eventually(async () => {
      const response = await fetch(`${server.ready.gateway}/v1/requests/${id}`)
      const { state, answer } = (await response.json()) as { readonly state: string; readonly answer: unknown }
      return state === 'answered' ? answer : null
    })
  const results = async (): Promise<number> => {
    const bees = (await (await fetch(`${server.ready.gateway}/v1/swarms/greeter/bees`)).json()) as readonly {
      readonly name: string
      readonly results_total: number
    }[]
    return bees.find(({ name }) => name === 'work')?.results_total ?? 0
  }

  before(async () => {
    writeFileSync(join(directory, 'work.mjs'), 'export default ({ name }) => ({ hello: name })\n')
    writeFileSync(join(directory, 'swarm.yaml'), moduleSwarm('greeter', './work.mjs'))
    server = await start()
  })
  after(async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('sends earlier requests again as new requests, once under one name, and leaves out what a replay has sent', async () => {
    const ids = [await ask('Ada'), await ask('Bea')]
    const shown = await replayed('greeter', '--all', '--dry-run')
    assert.deepEqual([shown.sent, shown.requests.map(({ replay_of }) => replay_of).toSorted()], [false, ids.toSorted()])
    const first = await replayed('greeter', '--all', '--name', 'again')
    assert.deepEqual([first.sent, first.replay, first.requests.length, first.skipped], [true, 'again', 2, 0])
    const answers = await Promise.all(first.requests.map(({ request_id }) => answerOf(request_id)))
    assert.deepEqual(new Set(answers), new Set([{ hello: 'Ada' }, { hello: 'Bea' }]))
    const second = await replayed('greeter', '--all', '--name', 'again')
    assert.deepEqual([second.requests.map(({ request_id }) => request_id), second.skipped], [first.requests.map(({ request_id }) => request_id), 2])
    await ask('Cleo')
    assert.equal(await results(), 5)
  })

  it('sends the requests of a time, page by page as far as --max allows', async () => {
    const from = Date.now()
    await ask('Dora')
    await ask('Eve')
    const both = await replayed('greeter', '--from', String(from), '--to', String(Date.now()), '--dry-run')
    assert.equal(both.requests.length, 2)
    assert.equal((await replayed('greeter', '--from', String(from), '--max', '1', '--dry-run')).requests.length, 1)
    const { out } = await waggle('replay', 'greeter', '--from', String(from), '--gateway', 'greeter', '--dry-run')
    assert.match(out, /^[0-9a-f-]{36} {2}of \S+ {2}greeter {2}accepted .*\n.*\nWould send 2 requests again\.\n$/)
  })

  it('refuses an unknown swarm or gateway, and a call without a time, with the next step', async () => {
    for (const [argv, status, pattern] of [
      [['greeter'], 2, /takes one of --from and --all.*Give --from TIME, or --all/],
      [['greeter', '--all', '--from', '2026-05-01'], 2, /takes one of --from and --all/],
      [['greeter', '--from', 'yesterday'], 2, /It is a time in ISO 8601/],
      [['greeter', '--all', '--name', 'a b'], 2, /It has 1 to 100 letters/],
      [['gretel', '--all'], 1, /No swarm gretel is known here.*waggle swarms list/],
      [['greeter', '--all', '--gateway', 'back'], 1, /has no gateway back.*Use one of: greeter/],
    ] as const) {
      const refused = await waggle('replay', ...argv)
      assert.deepEqual([refused.status, pattern.test(refused.err)], [status, true], refused.err)
    }
  })

  it('writes into the data directory where no process runs, for the swarm of a file, which answers when it starts', async () => {
    await server.stop()
    const unknown = await waggle('replay', 'greeter', '--all')
    assert.match(unknown.err, /Where none runs, give the path of the swarm file/)
    const { requests } = await replayed('./swarm.yaml', '--all', '--max', '1')
    assert.equal(requests.length, 1)
    server = await start()
    assert.deepEqual(Object.keys((await answerOf(requests[0]?.request_id ?? '')) as object), ['hello'])
  })
})
