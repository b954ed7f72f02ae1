import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Look, ratesOf } from '../../../ops/cli/top.ts'
import type { BeeRow } from '../../../topology/swarm/swarm-management.ts'
import { moduleSwarm, ServerHere } from '../../support/server-here.ts'
import { Certificates } from '../../support/serving/certificates.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const token = 'ops-0123456789abcdef'

describe('Commands for a server on another machine', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-commands-'))
  const certificates = new Certificates()
  let server: ServerHere

  before(async () => {
    const { cert, key } = certificates.server
    server = await ServerHere.open({ WAGGLE_TLS_CERT: cert, WAGGLE_TLS_KEY: key, WAGGLE_TOKENS: `ops=${token}:manage,ask:*` })
    writeFileSync(
      join(server.root, 'work.mjs'),
      'export default ({ name }) => {\n  if (name === undefined) throw new Error("no name")\n  return name\n}\n',
    )
    writeFileSync(join(server.root, 'swarm.yaml'), moduleSwarm('greeter', './work.mjs'))
    await done(['servers', 'set', 'team', '--url', server.url, '--ca', certificates.ca, '--token-stdin'], { input: `${token}\n` })
    await done(['swarms', 'create', join(server.root, 'swarm.yaml'), '--profile', 'team'])
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    certificates[Symbol.dispose]()
    rmSync(directory, { recursive: true, force: true })
  })

  interface Ended {
    readonly status: number
    readonly out: string
    readonly err: string
  }

  function waggle(
    argv: readonly string[],
    { input = '', env = {} }: { readonly input?: string; readonly env?: { readonly [name: string]: string } } = {},
  ): Promise<Ended> {
    return new Promise((settle) => {
      const options = {
        cwd: directory,
        env: { ...process.env, XDG_CONFIG_HOME: join(directory, 'config'), WAGGLE_DATA_DIR: join(directory, 'data'), ...env },
      }
      const child = execFile(process.execPath, [main, ...argv], options, (error, out, err) =>
        settle({ status: error === null ? 0 : Number(error.code), out, err }),
      )
      child.stdin?.end(input)
    })
  }

  async function done(argv: readonly string[], options: Parameters<typeof waggle>[1] = {}): Promise<string> {
    const { status, out, err } = await waggle(argv, options)
    assert.equal(status, 0, `waggle ${argv.join(' ')}: ${err}`)
    return out
  }

  it('send a swarm whose files lie elsewhere at the server', async () => {
    mkdirSync(join(server.root, 'shelf'))
    writeFileSync(join(server.root, 'shelf', 'work.mjs'), 'export default (value) => value\n')
    // Commands read the modules of their own copy to find out the swarm's name.
    writeFileSync(join(directory, 'work.mjs'), 'export default (value) => value\n')
    const file = join(directory, 'swarm.yaml')
    writeFileSync(file, moduleSwarm('elsewhere', './work.mjs'))
    const outside = await waggle(['swarms', 'create', file, '--profile', 'team'])
    assert.equal(outside.status, 1)
    assert.match(outside.err, /not a directory inside of the one in which the server was started.*--directory/s)
    const there = ['--directory', 'shelf', '--profile', 'team']
    assert.match(await done(['swarms', 'create', file, ...there]), /^elsewhere is running, version 1/)
    assert.match(await done(['swarms', 'apply', '-f', file, ...there]), /^elsewhere: unchanged/)
    assert.match(await done(['plan', '--diff', file, ...there]), /^elsewhere against .*: nothing changes/)
    await done(['swarms', 'delete', 'elsewhere', '--profile', 'team'])
  })

  it('apply an edit of a module, name it beforehand, and refuse a roll-back that cannot bring it back', async () => {
    const [file, module] = [join(directory, 'edited.yaml'), join(server.root, 'shelf', 'edited.mjs')]
    const there = ['--directory', 'shelf', '--profile', 'team']
    writeFileSync(module, 'export default () => 1\n')
    writeFileSync(join(directory, 'edited.mjs'), 'export default () => 1\n')
    writeFileSync(file, moduleSwarm('edited', './edited.mjs'))
    assert.match(await done(['swarms', 'apply', '-f', file, ...there]), /^edited: running, version 1\n$/)
    writeFileSync(module, 'export default () => 2\n')
    const difference = await done(['plan', '--diff', file, ...there])
    assert.match(
      difference,
      /^edited against version 1, which runs\n~ files +edited\.mjs \(work\)\n0 requests are in flight at the server that answers; .*\n$/,
    )
    assert.match(await done(['swarms', 'apply', '-f', file, ...there]), /^edited: running, version 2\n$/)
    assert.match(
      await done(['swarms', 'get', 'edited', '--profile', 'team']),
      /^version {2}1 .*changed since: edited\.mjs\nversion {2}2 .*current\n/m,
    )
    const refused = await waggle(['swarms', 'rollback', 'edited', '--profile', 'team'])
    assert.equal(refused.status, 1)
    assert.match(refused.err, /version 1 ran other files.*edited\.mjs changed since.*--accept/s)
    const accepted = await done(['swarms', 'rollback', 'edited', '--accept', '--profile', 'team'])
    assert.match(accepted, /^edited is unchanged: the text of that version runs\n\* version 1 ran other files.*edited\.mjs/)
    await done(['swarms', 'delete', 'edited', '--profile', 'team'])
  })

  it('take address, token and authority from a profile that only its user may read', async () => {
    const file = join(directory, 'config', 'waggle', 'profiles.json')
    assert.deepEqual([statSync(file).mode & 0o777, statSync(join(file, '..')).mode & 0o777], [0o600, 0o700])
    assert.match(await done(['swarms', 'list', '--profile', 'team']), /^greeter +running/m)
    assert.match(await done(['swarms', 'list'], { env: { WAGGLE_PROFILE: 'team' } }), /^greeter +running/m)
    assert.equal(await done(['request', 'greeter', '--data', '{"name":"Ada"}', '--profile', 'team']), '"Ada"\n')
    const list = await done(['servers', 'list', '--json'])
    assert.deepEqual([list.includes(token), JSON.parse(list)[0].token], [false, true])
  })

  it('refuse an unknown profile, and a profile together with an address', async () => {
    const unknown = await waggle(['swarms', 'list', '--profile', 'tem'])
    assert.deepEqual([unknown.status, /There is no profile tem; did you mean team/.test(unknown.err)], [1, true], unknown.err)
    const both = await waggle(['swarms', 'list', '--profile', 'team', '--url', server.url])
    assert.deepEqual([both.status, /name two servers/.test(both.err)], [2, true], both.err)
  })

  it('send the token of a profile to no other address', async () => {
    const asked: (string | undefined)[] = []
    const other = createServer((request, response) => {
      asked.push(request.headers.authorization)
      response.writeHead(404).end()
    })
    await new Promise<void>((settle) => void other.listen(0, '127.0.0.1', settle))
    const address = other.address()
    try {
      const url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
      const { status, err } = await waggle(['swarms', 'list', '--url', url], { env: { WAGGLE_PROFILE: 'team' } })
      assert.deepEqual([status, asked], [1, [undefined]], err)
      // The command also refuses the response of a server that is not Waggle.
      assert.match(err, /tells no version of the API, this command speaks version 1/)
    } finally {
      other.close()
    }
  })

  it('write a profile and remove it', async () => {
    await done(['servers', 'set', 'lab', '--url', 'http://127.0.0.1:9'])
    const refused = await waggle(['servers', 'set', 'lab', '--url', 'ftp://lab'])
    assert.equal(refused.status, 1, refused.err)
    const set = (url: string) => waggle(['servers', 'set', 'lab', '--url', url, '--token-stdin'], { input: 'a-token-of-the-lab\n' })
    const [near, far] = [await set('http://localhost:9'), await set('http://lab.example:9')]
    assert.deepEqual([near.status, near.err, far.status], [0, '', 0])
    assert.match(far.err, /^The token goes to lab\.example:9 unencrypted: .* write https:\/\/\.\n$/)
    await done(['servers', 'delete', 'lab'])
    assert.equal((await waggle(['servers', 'delete', 'lab'])).status, 1)
    assert.equal(readFileSync(join(directory, 'config', 'waggle', 'profiles.json'), 'utf8').includes('lab'), false)
  })

  it('retry and discard all dead letters with the same cause', async () => {
    for (const body of ['{}', '{}', '{"id":7}']) await waggle(['request', 'greeter', '--data', body, '--profile', 'team'])
    const lettersOf = async (...more: readonly string[]) =>
      (
        JSON.parse(await done(['dead-letters', 'list', '--json', '--profile', 'team', ...more])) as {
          readonly dead_letters: readonly { readonly code: string }[]
        }
      ).dead_letters
    const letters = await lettersOf()
    const [{ code } = { code: '' }] = letters
    assert.equal(letters.length, 3)
    assert.deepEqual([(await lettersOf('--cause', code)).length, (await lettersOf('--cause', 'WAGGLE_OTHER')).length], [3, 0])
    assert.equal(await done(['dead-letters', 'retry', '--cause', 'WAGGLE_OTHER', '--profile', 'team']), 'Retried 0\n')
    assert.equal(await done(['dead-letters', 'discard', '--all', '--swarm', 'greeter', '--cause', code, '--profile', 'team']), 'Discarded 3\n')
    assert.deepEqual(await lettersOf(), [])
    await waggle(['request', 'greeter', '--data', '{}', '--profile', 'team'])
    await done(['swarms', 'rollback', 'greeter', '--to', '1', '--profile', 'team'])
    const retried = JSON.parse(await done(['dead-letters', 'retry', '--all', '--json', '--profile', 'team'])) as {
      readonly retried: readonly string[]
    }
    assert.equal(retried.retried.length, 1)
    const usage = await waggle(['dead-letters', 'retry', '--profile', 'team'])
    assert.deepEqual([usage.status, /needs the id of a dead letter, or --all/.test(usage.err)], [2, true])
    assert.equal((await waggle(['dead-letters', 'retry', 'greeter:0:0', '--all', '--profile', 'team'])).status, 2)
  })

  it('show the bees and their rates, as tables without control characters in a pipe, or as lines of JSON', async () => {
    const text = await done(['top', '--max', '1', '--profile', 'team'])
    assert.match(text, /^swarm +bee +state +process +results\/s +failed\/s/)
    assert.match(text, /^greeter +work +running +[0-9a-f]{8} +\d+\.\d/m)
    assert.equal(text.includes('\x1b'), false)
    const rows = JSON.parse(await done(['top', 'greeter', '--max', '1', '--json', '--profile', 'team'])) as {
      readonly bees: readonly { readonly bee: string }[]
    }
    assert.ok(rows.bees.some(({ bee }) => bee === 'work'))
  })

  it('are refused, with the next step, if they use a version of the API that the server does not support', async () => {
    const { ca } = { ca: readFileSync(certificates.ca) }
    const answer = await new Promise<{ readonly status: number | undefined; readonly body: string }>((settle, reject) => {
      request(`${server.url}/v1/swarms`, { ca, headers: { authorization: `Bearer ${token}`, 'waggle-api': '0' } }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (more: string) => (body += more))
        response.on('end', () => settle({ status: response.statusCode, body }))
      })
        .once('error', reject)
        .end()
    })
    assert.equal(answer.status, 400)
    assert.match(answer.body, /WAGGLE_CLIENT_VERSION/)
    assert.match(answer.body, /speaks version 0 of the API, and this server version 1: use the commands of waggle-streams \d+\.\d+\.\d+/)
  })
})

describe('The rates of bees', () => {
  const row = (name: string, results: number, failed = 0): BeeRow => ({
    instance: 'one',
    swarm: 's',
    name,
    type: 'module',
    inputs: [],
    state: 'running',
    spec: {},
    gpu: 0,
    replicas: 1,
    max_replicas: 1,
    timeout_seconds: null,
    on_error: 'fail',
    results_total: results,
    refused_total: 0,
    failed_total: failed,
    calls_total: results + failed,
    mean_call_seconds: null,
  })
  const at = (seconds: number, ...bees: readonly BeeRow[]): Look => ({ at: seconds * 1000, bees })

  it('are the differences of two readings, the busiest bee first', () => {
    const rates = ratesOf(at(0, row('a', 10), row('b', 0, 5)), at(2, row('a', 14), row('b', 0, 25)))
    assert.deepEqual(
      rates.map(({ bee, results_per_second, failed_per_second }) => [bee, results_per_second, failed_per_second]),
      [
        ['b', 0, 10],
        ['a', 2, 0],
      ],
    )
  })

  it('are unknown at the first reading of a process, which has no earlier count', () => {
    assert.deepEqual(
      ratesOf(null, at(1, row('a', 100))).map(({ instance, results_per_second, failed_per_second, results_total }) => [
        instance,
        results_per_second,
        failed_per_second,
        results_total,
      ]),
      [['one', null, null, 100]],
    )
  })

  it('count from zero for a new bee, and for a new version of a bee', () => {
    const rates = ratesOf(at(0, row('a', 100)), at(1, row('a', 3), row('c', 2)))
    assert.deepEqual(
      rates.map(({ bee, results_per_second }) => [bee, results_per_second]),
      [
        ['a', 3],
        ['c', 2],
      ],
    )
  })
})
