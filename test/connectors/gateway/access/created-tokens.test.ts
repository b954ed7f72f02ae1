import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { AccessTokens } from '../../../../connectors/gateway/access/access-tokens.ts'
import { CreatedTokens } from '../../../../connectors/gateway/access/created-tokens.ts'

describe('Created tokens', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-tokens-'))
  after(() => rmSync(directory, { recursive: true }))
  const nowMs = Date.UTC(2026, 10, 30)
  const at = (name: string) => new CreatedTokens(join(directory, name))

  it('are stored as hashes, in a file that only this user may read', () => {
    const tokens = at('kept')
    assert.equal(tokens.exist, false)
    const { token, ...row } = tokens.create({ name: 'web', scopes: ['ask:teddy', 'read'], nowMs })
    assert.deepEqual(row, { name: 'web', scopes: ['ask:teddy', 'read'], created_at: '2026-11-30T00:00:00.000Z' })
    const file = join(directory, 'kept', 'tokens.json')
    assert.equal(readFileSync(file, 'utf8').includes(token), false)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(at('kept').list(), [row])
    const accepted = new AccessTokens()
    accepted.replace('created', at('kept').read())
    assert.deepEqual(accepted.find(token)?.scopes.names, ['ask:teddy', 'read'])
  })

  it('may limit the priority of their requests', () => {
    const tokens = at('priorities')
    const { token } = tokens.create({ name: 'batch', scopes: ['ask:*'], priority: 3, nowMs })
    assert.deepEqual(at('priorities').list(), [{ name: 'batch', scopes: ['ask:*'], priority: 3, created_at: '2026-11-30T00:00:00.000Z' }])
    const accepted = new AccessTokens()
    accepted.replace('created', at('priorities').read())
    assert.equal(accepted.find(token)?.maxPriority, 3)
    for (const priority of [-1, 10, 1.5, Number.NaN])
      assert.throws(() => tokens.create({ name: 'other', scopes: ['read'], priority, nowMs }), { code: 'WAGGLE_TOKEN_INVALID' }, String(priority))
  })

  it('have different secrets', () => {
    const tokens = at('new')
    const made = ['a', 'b'].map((name) => tokens.create({ name, scopes: ['read'], nowMs }).token)
    assert.match(made[0] ?? '', /^wgl_[A-Za-z0-9_-]{43}$/)
    assert.notEqual(made[0], made[1])
  })

  it('are no longer valid after they are revoked, and their file stays', () => {
    const tokens = at('revoked')
    tokens.create({ name: 'web', scopes: ['read'], nowMs })
    tokens.revoke('web')
    assert.deepEqual([tokens.exist, tokens.list()], [true, []])
    assert.throws(() => tokens.revoke('web'), { code: 'WAGGLE_UNKNOWN_TOKEN' })
  })

  it('need an unused name and known scopes', () => {
    const tokens = at('wrong')
    tokens.create({ name: 'web', scopes: ['read'], nowMs })
    assert.throws(() => tokens.create({ name: 'web', scopes: ['read'], nowMs }), { code: 'WAGGLE_TOKEN_EXISTS' })
    for (const name of ['', 'a b', '../x', 'x'.repeat(101), '(local)'])
      assert.throws(() => tokens.create({ name, scopes: ['read'], nowMs }), { code: 'WAGGLE_TOKEN_INVALID' }, name)
    for (const scopes of [[], ['write'], ['read', 'ask:'], ['ask:a b']])
      assert.throws(() => tokens.create({ name: 'other', scopes, nowMs }), { code: 'WAGGLE_TOKEN_INVALID' }, scopes.join())
  })

  it('stop the start if their file is damaged, so that no caller gets in', () => {
    const tokens = at('damaged')
    tokens.create({ name: 'web', scopes: ['read'], nowMs })
    for (const text of [
      '',
      '{',
      '{"version":2,"tokens":[]}',
      '{"version":1,"tokens":[{"name":"web"}]}',
      '{"version":1,"tokens":[{"name":"w","scopes":["root"],"created_at":"","sha256":""}]}',
    ]) {
      writeFileSync(join(directory, 'damaged', 'tokens.json'), text)
      assert.throws(() => tokens.read(), { code: 'WAGGLE_TOKENS_DAMAGED' }, text)
    }
  })
})
