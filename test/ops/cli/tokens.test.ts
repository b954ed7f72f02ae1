import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('waggle tokens', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-tokens-'))
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_PARTITIONS: '1' }
  const file = join(directory, 'swarm.yaml')
  writeFileSync(
    file,
    'name: shop\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n  - {name: work, type: module, input: {name: entrance}, spec: {file: ./work.mjs}}\n  - {name: answer, type: respond, input: {name: work}}\n',
  )
  writeFileSync(join(directory, 'work.mjs'), 'export default (input) => input\n')
  let program: MeasuredProgram | null = null
  after(async () => {
    await program?.stop()
    rmSync(directory, { recursive: true })
  })

  function waggle(argv: readonly string[], more: { readonly [variable: string]: string } = {}) {
    return new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((settle) => {
      const child = spawn(process.execPath, [main, ...argv], { cwd: directory, env: { ...process.env, ...env, ...more } })
      let [out, err] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text
      })
      child.on('close', (status) => settle({ status, out: out.trim(), err }))
    })
  }

  it('creates a token without a server, and a server that starts later requires a token from every caller', async () => {
    const made = await waggle(['tokens', 'create', 'early', '--scope', 'ask:door', '--json'])
    assert.equal(made.status, 0, made.err)
    const { token, name, scopes } = JSON.parse(made.out) as { readonly token: string; readonly name: string; readonly scopes: readonly string[] }
    assert.deepEqual([name, scopes], ['early', ['ask:door']])

    program = await MeasuredProgram.start([main, 'run', file, '--json'], env)
    const url = program.ready.gateway
    const statusWith = async (authorization: string) =>
      (
        await fetch(`${url}/v1/gateways/door/request`, {
          method: 'POST',
          body: '"hello"',
          headers: { 'content-type': 'application/json', authorization },
        })
      ).status
    assert.equal(await statusWith(''), 401)
    assert.equal(await statusWith(`Bearer ${token}`), 200)

    // The command reads the address and the token of the running process from the data directory.
    const late = await waggle(['tokens', 'create', 'late', '--scope', 'ask:door', 'read', '--priority', '4'])
    assert.equal(late.status, 0, late.err)
    assert.match(late.err, /it is not shown again/)
    assert.equal(await statusWith(`Bearer ${late.out}`), 200)
    assert.deepEqual((await waggle(['tokens', 'list'])).out.replaceAll(/\d{4}-\S+/g, 'TIME').split('\n'), [
      'early  ask:door  TIME',
      'late  ask:door,read,priority:4  TIME',
    ])

    const asked = await waggle(['request', 'door', '--data', '"hello"', '--url', url], { WAGGLE_TOKEN: token })
    assert.deepEqual([asked.status, asked.out], [0, '"hello"'])
    const local = await waggle(['request', 'door', '--data', '"hello"'])
    assert.deepEqual([local.status, local.out], [0, '"hello"'])
    const refused = await waggle(['tokens', 'list', '--url', url], { WAGGLE_TOKEN: token })
    assert.deepEqual([refused.status, refused.out], [1, ''])
    assert.match(refused.err, /403 Not allowed: .*lacks the scope manage/)

    await fetch(`${url}/v1/swarms/nothing?purge=true&other=secret`, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })
    const { lastWords } = program
    assert.match(lastWords, /token:\(local\) POST \/v1\/tokens 201 late\b/)
    assert.match(lastWords, /token:early DELETE \/v1\/swarms\/nothing 403 purge=true\b(?! other)/)
    assert.equal((await waggle(['tokens', 'revoke', 'early'])).status, 0)
    assert.equal(await statusWith(`Bearer ${token}`), 401)
    assert.equal(program.lastWords.includes(token) || program.lastWords.includes(late.out), false)
  })

  it('warns on Kafka that other processes do not know a created token', async () => {
    const more = { WAGGLE_LOG: 'kafka', KAFKA_BROKERS: '127.0.0.1:1', WAGGLE_DATA_DIR: join(directory, 'kafka') }
    const made = await waggle(['tokens', 'create', 'x', '--scope', 'read'], more)
    assert.deepEqual(
      [made.status, /valid at processes with this data directory alone\. A token that is created at a server \(--url\)/.test(made.err)],
      [0, true],
      made.err,
    )
  })

  it('refuses an unknown scope and an unknown name with status 1', async () => {
    const scope = await waggle(['tokens', 'create', 'x', '--scope', 'write'], { WAGGLE_DATA_DIR: join(directory, 'other') })
    assert.deepEqual([scope.status, /"write" is not a scope/.test(scope.err)], [1, true], scope.err)
    const name = await waggle(['tokens', 'revoke', 'nobody'], { WAGGLE_DATA_DIR: join(directory, 'other') })
    assert.deepEqual([name.status, /No token nobody was created here/.test(name.err)], [1, true], name.err)
  })
})
