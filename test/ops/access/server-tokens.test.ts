import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CreatedTokens } from '../../../connectors/gateway/access/created-tokens.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { ServerTokens } from '../../../ops/access/server-tokens.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import { issuerOf } from '../../../ops/config/token-issuer.ts'
import { TokenIssuer } from '../../support/token-issuer.ts'

describe('The tokens of a server', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-server-tokens-'))
  after(() => rmSync(directory, { recursive: true }))
  let nowMs = 0
  const clock = { now: () => nowMs, elapsedMs: () => nowMs }
  const file = join(directory, 'tokens.txt')
  let count = 0
  const newDirectory = () => {
    const path = join(directory, String(++count))
    mkdirSync(path)
    return path
  }
  const none = { tokens: null, tokens_file: null }
  const reader = 'web=reader-0123456789:read'

  it('are required if a file of tokens is set, even if that file contains no token', () => {
    writeFileSync(file, '# nobody yet\n')
    assert.equal(new ServerTokens({ ...none, data_dir: newDirectory() }, clock).areKnown, false)
    assert.equal(new ServerTokens({ ...none, tokens_file: file, data_dir: newDirectory() }, clock).areKnown, true)
    assert.equal(new ServerTokens({ ...none, tokens: '# nobody yet', data_dir: newDirectory() }, clock).areKnown, true)
  })

  it('stay unchanged if the file of tokens is replaced by another kind of file after the settings were checked', () => {
    const tokens = new ServerTokens({ ...none, tokens: reader, data_dir: newDirectory() }, clock)
    writeFileSync(file, 'other=cut')
    assert.throws(() => tokens.replaceSettings({ ...none, tokens_file: file }), { code: 'WAGGLE_INVALID_CONFIG' })
    assert.equal(nameOf(tokens, 'reader-0123456789'), 'token:web')
  })

  it('stay unchanged if the created tokens cannot be read', () => {
    const data = newDirectory()
    const tokens = new ServerTokens({ ...none, tokens: reader, data_dir: data }, clock)
    writeFileSync(join(data, 'tokens.json'), 'damaged')
    assert.throws(() => tokens.replaceSettings({ ...none, tokens: 'web=another-0123456789:read' }), { code: 'WAGGLE_TOKENS_DAMAGED' })
    assert.deepEqual([nameOf(tokens, 'reader-0123456789'), tokens.find('another-0123456789')], ['token:web', null])
  })

  it('are read again within a second after a command has changed their file', () => {
    const data = newDirectory()
    const tokens = new ServerTokens({ ...none, data_dir: data }, clock)
    assert.equal(tokens.areKnown, false)
    const command = new CreatedTokens(data)
    const { token } = command.create({ name: 'web', scopes: ['read'], nowMs })
    nowMs += 1000
    assert.deepEqual([tokens.areKnown, nameOf(tokens, token)], [true, 'token:web'])
    command.revoke('web')
    nowMs += 1000
    assert.equal(tokens.find(token), null)
  })

  it('have different names in the settings and among the created tokens, because requests belong to names', async () => {
    const tokens = new ServerTokens({ ...none, tokens: reader, data_dir: newDirectory() }, clock)
    await assert.rejects(tokens.create('web', ['read']), { code: 'WAGGLE_TOKEN_EXISTS' })
    assert.equal((await tokens.create('other', ['read'])).name, 'other')
  })
})

it('A server whose settings change trusts only the new issuer, and still requires a token from everybody if there is no new issuer', async () => {
  await using issuers = await bothIssuers()
  const [first, second] = issuers
  const directory = mkdtempSync(join(tmpdir(), 'waggle-issuers-'))
  const problems: string[] = []
  const issuerWith = (env: { readonly [name: string]: string }) => {
    const { settings } = loadConfig({ directories: [directory], env })
    return issuerOf(settings, { clock: systemClock, onProblem: (problem) => problems.push(problem) })
  }
  const tokens = new ServerTokens({ tokens: null, tokens_file: null, data_dir: directory }, systemClock, issuerWith(first.env))
  try {
    assert.equal((await tokens.find(await first.token()))?.name, `oidc:${first.issuer}#ann`)
    tokens.replaceIssuer(issuerWith(second.env))
    await assert.rejects(Promise.resolve(tokens.find(await first.token())), { code: 'WAGGLE_TOKEN_REFUSED' })
    assert.equal((await tokens.find(await second.token()))?.name, `oidc:${second.issuer}#ann`)
    tokens.replaceIssuer(issuerWith({}))
    assert.deepEqual([await tokens.find(await second.token()), tokens.areKnown, problems], [null, true, []])
  } finally {
    tokens.close()
    rmSync(directory, { recursive: true })
  }
})

async function bothIssuers() {
  const issuers = await Promise.all([TokenIssuer.start(), TokenIssuer.start()])
  return Object.assign(issuers, { [Symbol.asyncDispose]: async () => void (await Promise.all(issuers.map((one) => one[Symbol.asyncDispose]()))) })
}

function nameOf(tokens: ServerTokens, token: string): string | undefined {
  const found = tokens.find(token)
  assert.ok(!(found instanceof Promise))
  return found?.name
}
