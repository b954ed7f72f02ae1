import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { moduleSwarm } from '../../support/server-here.ts'
import { eventually } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('An operator’s first hour with the commands', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-operator-'))
  const env = { ...process.env, WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0' }
  const write = (file: string, content: string) => writeFileSync(join(directory, file), content)
  let server: MeasuredProgram

  const start = () => MeasuredProgram.start([main, 'serve', '--json'], { ...(env as { readonly [name: string]: string }) }, { cwd: directory })
  const waggle = (...argv: readonly string[]): Promise<{ readonly status: number; readonly out: string; readonly err: string }> =>
    new Promise((settle) => {
      execFile(process.execPath, [main, ...argv], { cwd: directory, env }, (error, out, err) =>
        settle({ status: error === null ? 0 : Number(error.code), out, err }),
      )
    })
  const done = async (...argv: readonly string[]): Promise<string> => {
    const { status, out, err } = await waggle(...argv)
    assert.equal(status, 0, `waggle ${argv.join(' ')}: ${err}`)
    return out
  }
  const jsonOf = async (...argv: readonly string[]): Promise<unknown> => JSON.parse(await done(...argv, '--json'))

  before(async () => {
    write('one.mjs', "export default ({ name }) => {\n  if (name === undefined) throw new Error('no name')\n  return { hello: name }\n}\n")
    write('two.mjs', 'export default ({ name }) => ({ hello: name ?? "you", version: 2 })\n')
    write('swarm.yaml', moduleSwarm('greeter', './one.mjs'))
    server = await start()
  })
  after(async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('begins with a swarm that is created, called and listed', async () => {
    assert.match(await done('swarms', 'create', 'swarm.yaml'), /^greeter is running, version 1; its gateways: greeter$/m)
    assert.deepEqual(JSON.parse(await done('request', 'greeter', '--data', '{"name":"Ada"}')), { hello: 'Ada' })
    const bees = (await jsonOf('bees', 'list', 'greeter')) as { readonly name: string; readonly results_total: number }[]
    assert.equal(bees.find(({ name }) => name === 'work')?.results_total, 1)
  })

  it('shows a failed request in the log and as a dead letter, which is sent again to version 2', async () => {
    const broken = await waggle('request', 'greeter', '--data', '{}')
    assert.equal(broken.status, 3)
    assert.match(broken.err, /no name/)
    assert.match(await done('get-bee-logs', 'greeter', 'work'), /no name/)
    const letters = (await jsonOf('dead-letters', 'list')) as { readonly dead_letters: { readonly id: string }[] }
    write('swarm.yaml', moduleSwarm('greeter', './two.mjs'))
    assert.match(await done('plan', '--diff', 'swarm.yaml'), /^~ bees +work$/m)
    assert.match(await done('swarms', 'apply', '-f', 'swarm.yaml'), /^greeter: running, version 2$/m)
    assert.match(await done('swarms', 'apply', '-f', 'swarm.yaml'), /^greeter: unchanged$/m)
    const { request_id: id } = (await jsonOf('dead-letters', 'retry', letters.dead_letters[0]?.id ?? '')) as { readonly request_id: string }
    const answered = await eventually(async () => {
      const response = await fetch(`${server.ready.gateway}/v1/requests/${id}`)
      const state = (await response.json()) as { readonly state: string; readonly answer: unknown }
      return state.state === 'pending' ? null : state
    })
    assert.deepEqual([answered.state, answered.answer], ['answered', { hello: 'you', version: 2 }])
  })

  it('watches the bees: their rates with top, and each new line of a log with bees logs -f', { timeout: 60_000 }, async () => {
    const { bees } = (await jsonOf('top', 'greeter', '--max', '1', '--every', '1')) as {
      readonly bees: readonly { readonly bee: string; readonly state: string; readonly results_per_second: number }[]
    }
    const work = bees.find(({ bee }) => bee === 'work')
    assert.deepEqual([work?.state, work?.results_per_second], ['running', 0])
    write('loud.mjs', 'export default async ({ say }) => {\n  await null\n  console.log("says", say)\n  throw new Error(say)\n}\n')
    write('loud.yaml', moduleSwarm('loud', './loud.mjs'))
    await done('swarms', 'create', 'loud.yaml')
    assert.equal((await waggle('request', 'loud', '--data', '{"say":"first"}')).status, 3)
    const follower = spawn(process.execPath, [main, 'bees', 'logs', 'loud', 'work', '-f'], {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const gone = new Promise<number | null>((settle) => void follower.once('exit', settle))
    try {
      const lines = createInterface(follower.stdout)[Symbol.asyncIterator]()
      assert.match((await lines.next()).value ?? '', / info +says first \(request \S+\)$/)
      assert.match((await lines.next()).value ?? '', / error +first/)
      assert.equal((await waggle('request', 'loud', '--data', '{"say":"second"}')).status, 3)
      assert.match((await lines.next()).value ?? '', / info +says second \(request \S+\)$/)
      assert.match((await lines.next()).value ?? '', / error +second/)
    } finally {
      follower.kill('SIGINT')
    }
    assert.equal(await gone, 0)
    await done('swarms', 'delete', 'loud')
  })

  it('continues after a kill, and rolls the swarm back to version 1', async () => {
    await server.kill('with its children')
    server = await start()
    assert.deepEqual(JSON.parse(await done('request', 'greeter', '--data', '{"name":"Ada"}')), { hello: 'Ada', version: 2 })
    assert.match(await done('swarms', 'rollback', 'greeter'), /^greeter is running, version 3$/m)
    assert.deepEqual(JSON.parse(await done('request', 'greeter', '--data', '{"name":"Ada"}')), { hello: 'Ada' })
  })

  it('shows each mistake of a file with the path that the operator gave, and removes the swarm', async () => {
    write('wrong.yaml', 'name: wrong\nbees:\n  - {name: a, type: respnd}\n')
    const { status, err } = await waggle('swarms', 'create', 'wrong.yaml')
    assert.equal(status, 1)
    assert.match(err, /^wrong\.yaml:3:21: there is no bee type respnd; did you mean respond\?$/m)
    await done('delete-swarm', 'greeter')
    assert.deepEqual(await jsonOf('swarms', 'list'), [])
    assert.equal((await waggle('swarms', 'get', 'greeter')).status, 1)
  })

  it('includes exit status 3 from a command without a server, and 2 from an unknown verb', async () => {
    const away = await waggle('swarms', 'list', '--url', 'http://127.0.0.1:9')
    assert.equal(away.status, 3)
    assert.match(away.err, /cannot be reached/)
    const typo = await waggle('swarms', 'lst')
    assert.equal(typo.status, 2)
    assert.match(typo.err, /Did you mean list\?/)
  })
})
