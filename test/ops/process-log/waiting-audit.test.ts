import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { LogFields } from '../../../ops/process-log/log-line.ts'
import { WaitingAudit } from '../../../ops/process-log/waiting-audit.ts'
import { ServerHere } from '../../support/server-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('The audit lines of commands without a process', () => {
  let root: string
  let data: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'waggle-audit-'))
    data = join(root, 'data')
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  const file = () => join(data, 'audit.json')

  function waggle(argv: readonly string[], input = ''): { readonly status: number | null; readonly stderr: string } {
    const env = { ...process.env, WAGGLE_DATA_DIR: data, WAGGLE_SECRETS_KEY: Buffer.alloc(32, 1).toString('base64') }
    return spawnSync(process.execPath, [main, ...argv], { cwd: root, env, input, encoding: 'utf8' })
  }

  it('are in the log of the next process once, with the user and the time', { timeout: 120_000 }, async () => {
    const began = Date.now()
    for (const [argv, input] of [
      [['tokens', 'create', 'web', '--scope', 'manage'], ''],
      [['tokens', 'revoke', 'web'], ''],
      [['secrets', 'set', 'API_KEY'], 'hunter2'],
      [['secrets', 'delete', 'API_KEY'], ''],
    ] as const) {
      const { status, stderr } = waggle(argv, input)
      assert.equal(status, 0, stderr)
    }
    assert.equal(waggle(['tokens', 'revoke', 'nobody']).status, 1)
    assert.equal(waggle(['tokens', 'list']).status, 0)
    assert.equal(statSync(file()).mode & 0o777, 0o600)
    assert.doesNotMatch(readFileSync(file(), 'utf8'), /hunter2|wgl_/)
    await using server = await ServerHere.open({ WAGGLE_DATA_DIR: data }, root)
    const user = `info user:${userInfo().username}`
    const lines = server.said.filter((line) => line.startsWith(user))
    assert.deepEqual(
      lines.map((line) => line.slice(user.length + 1).replace(/ at=\S+$/, '')),
      ['POST /v1/tokens 201 web', 'DELETE /v1/tokens/web 204', 'PUT /v1/secrets/API_KEY 204', 'DELETE /v1/secrets/API_KEY 204'],
    )
    for (const line of lines) assert.ok(Date.parse(/ at=(\S+)$/.exec(line)?.[1] ?? '') >= began, line)
    assert.equal(existsSync(file()), false)
    await server.stop()
    await server.start()
    assert.equal(server.said.filter((line) => line.startsWith(user)).length, 4)
  })

  it('are those of calls where a process runs: the process has wired its audit log', async () => {
    await using server = await ServerHere.open({ WAGGLE_DATA_DIR: data }, root)
    const { status } = await server.call('POST', '/v1/tokens', JSON.stringify({ name: 'web', scopes: ['manage'] }))
    assert.equal(status, 201)
    assert.ok(server.said.includes('info anybody POST /v1/tokens 201 web'), server.said.join('\n'))
    assert.equal(existsSync(file()), false)
  })

  it('have fields, of which the oldest changes are left out beyond 10,000', () => {
    const audit = new WaitingAudit(data)
    const change = { method: 'DELETE', path: '/v1/tokens/a', target: '', status: 204 } as const
    audit.record(change, 0, () => {})
    const { changes, ...rest } = JSON.parse(readFileSync(file(), 'utf8')) as { readonly changes: readonly object[]; readonly left_out: number }
    writeFileSync(file(), JSON.stringify({ ...rest, changes: Array.from({ length: 10_000 }, () => changes[0]) }))
    audit.record({ method: 'POST', path: '/v1/tokens', target: 'b', status: 201 }, 5000, () => {})
    const said: { readonly text: string; readonly fields: LogFields | undefined }[] = []
    audit.flush((module, level, message, fields) => void said.push({ text: `${module} ${level} ${message}`, fields }))
    assert.equal(said.length, 10_001)
    assert.equal(said[0]?.text, 'audit warn 1 older changes of tokens and secrets by commands are left out')
    assert.deepEqual(said.at(-1)?.fields, { target: 'b', flags: 'at=1970-01-01T00:00:05.000Z' })
  })

  it('that are damaged, or a link, are a warning of the next process and an error of the next command, and stay', () => {
    const audit = new WaitingAudit(data)
    audit.record({ method: 'DELETE', path: '/v1/tokens/a', target: '', status: 204 }, 0, () => {})
    writeFileSync(file(), '{"version":1,"left_out":0,"changes":[{"at":"x"}]}')
    const said: string[] = []
    audit.flush((_, level, message) => void said.push(`${level} ${message}`))
    assert.match(said.join('\n'), /^warn .*audit\.json is not a list of changes for the audit log\. Keep what it says/)
    assert.equal(existsSync(file()), true)
    const change = () => assert.fail('a change without a line')
    assert.throws(() => audit.record({ method: 'DELETE', path: '/x', target: '', status: 204 }, 0, change), { code: 'WAGGLE_AUDIT_DAMAGED' })
    rmSync(file())
    writeFileSync(join(root, 'elsewhere'), '{}')
    symlinkSync(join(root, 'elsewhere'), file())
    audit.flush((_, level, message) => void said.push(`${level} ${message}`))
    assert.match(said.at(-1) ?? '', /^warn .*audit\.json is a link/)
  })

  it('are readable whatever the length of their names', () => {
    const audit = new WaitingAudit(data)
    for (const name of ['A'.repeat(5000), 'B'])
      assert.equal(
        audit.record({ method: 'DELETE', path: `/v1/secrets/${name}`, target: name, status: 204 }, 0, () => name.length),
        name.length,
      )
    const { changes } = JSON.parse(readFileSync(file(), 'utf8')) as {
      readonly changes: readonly { readonly path: string; readonly target: string }[]
    }
    assert.deepEqual(
      changes.map(({ path, target }) => [path.length, target.length]),
      [
        [1000, 1000],
        [13, 1],
      ],
    )
  })

  it('have none of a change that fails', () => {
    const audit = new WaitingAudit(data)
    const fail = () => {
      throw new Error('no')
    }
    assert.throws(() => audit.record({ method: 'DELETE', path: '/x', target: '', status: 204 }, 0, fail), /no/)
    assert.equal(existsSync(file()), false)
  })
})
