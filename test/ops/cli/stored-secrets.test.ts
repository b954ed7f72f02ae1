import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { EncryptedSecrets } from '../../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../../connectors/secrets/secret-keys.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')

describe('waggle secrets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-secrets-'))
  after(() => rmSync(directory, { recursive: true }))
  const env = { WAGGLE_DATA_DIR: directory, WAGGLE_SECRETS_KEY: randomBytes(32).toString('base64') }
  const waggle = (argv: readonly string[], input: string | Uint8Array = '', more: { readonly [variable: string]: string } = env) =>
    spawnSync(process.execPath, [main, 'secrets', ...argv], { cwd: directory, encoding: 'utf8', input, env: { ...process.env, ...more } })

  it('stores a value from standard input, lists its name, and deletes the secret', () => {
    const stored = waggle(['set', 'API_KEY'], 'hunter22\n')
    assert.deepEqual([stored.status, stored.stdout.includes('hunter22')], [0, false], stored.stderr)
    assert.equal(readFileSync(join(directory, 'secrets.json'), 'utf8').includes('hunter22'), false)
    assert.equal(waggle(['list', '--json']).stdout, '[{"name":"API_KEY"}]\n')
    assert.equal(waggle(['delete', 'API_KEY']).status, 0)
    assert.equal(waggle(['list']).stdout, 'No secret is stored.\n')
  })

  it('keeps every character of the value, including a byte order mark', () => {
    const value = '\ufeffgrüße \u{1f43b}\u200b'
    assert.equal(waggle(['set', 'TEXT'], `${value}\r\n`).status, 0)
    const stored = new EncryptedSecrets(directory, SecretKeys.parse(env.WAGGLE_SECRETS_KEY))
    assert.equal(stored.find('TEXT')?.reveal(), value)
    assert.equal(waggle(['delete', 'TEXT']).status, 0)
  })

  it('refuses bytes that are not UTF-8, and an endless value', () => {
    const binary = waggle(['set', 'BINARY'], Buffer.from([0x61, 0xff, 0x62]))
    assert.deepEqual([binary.status, /not UTF-8 text.*base64/.test(binary.stderr)], [1, true], binary.stderr)
    const cut = waggle(['set', 'BINARY'], Buffer.from([0xe2, 0x82]))
    assert.equal(cut.status, 1, cut.stderr)
    const large = waggle(['set', 'LARGE'], 'x'.repeat(70_000))
    assert.deepEqual([large.status, /at most 65536 bytes/.test(large.stderr)], [1, true], large.stderr)
    assert.equal(waggle(['list']).stdout, 'No secret is stored.\n')
  })

  it('refuses a value on the command line, and needs an encryption key', () => {
    assert.equal(waggle(['set', 'API_KEY', 'hunter22']).status, 2)
    const keyless = waggle(['set', 'API_KEY'], 'hunter22', { WAGGLE_DATA_DIR: directory })
    assert.deepEqual([keyless.status, /There is no key to encrypt secrets with.*openssl rand/.test(keyless.stderr)], [1, true], keyless.stderr)
  })
})

it('The HTTP routes for secrets accept values, but return only names', async () => {
  await using swarm = await SwarmHere.open({ WAGGLE_SECRETS_KEY: randomBytes(32).toString('hex') })
  const call = (method: string, path: string, body?: string) => fetch(`${swarm.url}${path}`, { method, ...(body === undefined ? {} : { body }) })
  assert.equal((await call('PUT', '/v1/secrets/API_KEY', 'hunter22')).status, 204)
  const list = await call('GET', '/v1/secrets')
  assert.deepEqual([list.status, await list.text()], [200, '[{"name":"API_KEY"}]'])
  assert.equal((await call('GET', '/v1/secrets/API_KEY')).status, 405)
  assert.equal((await call('PUT', '/v1/secrets/a-b', 'x')).status, 400)
  assert.equal((await call('DELETE', '/v1/secrets/API_KEY')).status, 204)
  assert.equal((await call('DELETE', '/v1/secrets/API_KEY')).status, 404)
  assert.equal(
    swarm.said.some((line) => line.includes('hunter22')),
    false,
  )
})
