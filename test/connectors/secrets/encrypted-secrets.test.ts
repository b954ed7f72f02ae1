import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { EncryptedSecrets } from '../../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../../connectors/secrets/secret-keys.ts'

const newKey = () => randomBytes(32).toString('base64')

describe('Stored secrets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-secrets-'))
  after(() => rmSync(directory, { recursive: true }))
  const at = (name: string, keys: string) => new EncryptedSecrets(join(directory, name), SecretKeys.parse(keys))
  const fileOf = (name: string) => join(directory, name, 'secrets.json')

  it('are encrypted, in a file that only this user may read', () => {
    const key = newKey()
    at('kept', key).set('API_KEY', 'hunter22 ✓\nand more')
    const text = readFileSync(fileOf('kept'), 'utf8')
    assert.equal(text.includes('hunter22') || text.includes(Buffer.from('hunter22').toString('base64').slice(0, 10)), false)
    assert.equal(statSync(fileOf('kept')).mode & 0o777, 0o600)
    assert.equal(at('kept', key).find('API_KEY')?.reveal(), 'hunter22 ✓\nand more')
    assert.equal(at('kept', key).find('OTHER'), null)
    assert.deepEqual(at('kept', key).names(), ['API_KEY'])
  })

  it('cannot be read with another key, and the error shows neither key nor value', () => {
    const [key, other] = [newKey(), newKey()]
    at('closed', key).set('A', 'hunter22')
    for (const keys of [other, '']) {
      assert.throws(
        () => at('closed', keys).find('A'),
        (error: unknown) => error instanceof Error && /the secret A cannot be decrypted/.test(error.message) && !error.message.includes('hunter22'),
      )
    }
  })

  it('cannot be read if somebody has changed or renamed them', () => {
    const key = newKey()
    const secrets = at('changed', key)
    secrets.set('A', 'hunter22')
    const text = readFileSync(fileOf('changed'), 'utf8')
    const data = /"data": "([^"]+)"/.exec(text)?.[1] ?? ''
    const flipped = Buffer.from(data, 'base64')
    flipped.writeUInt8(flipped.readUInt8(14) ^ 1, 14)
    for (const changed of [text.replace(data, flipped.toString('base64')), text.replace('"A"', '"B"'), text.replace(data, data.slice(0, 12))]) {
      writeFileSync(fileOf('changed'), changed)
      const [name = ''] = secrets.names()
      assert.throws(() => secrets.find(name), { code: 'WAGGLE_SECRET_UNREADABLE' })
    }
    writeFileSync(fileOf('changed'), '{"version":9}')
    assert.throws(() => secrets.names(), { code: 'WAGGLE_SECRETS_DAMAGED' })
  })

  it('can be encrypted with a new key without being lost, and the older key can then be removed', () => {
    const [older, newer] = [newKey(), randomBytes(32).toString('hex')]
    at('rotated', older).set('A', 'hunter22')
    const before = readFileSync(fileOf('rotated'), 'utf8')
    at('rotated', `${newer},${older}`).renew()
    assert.notEqual(readFileSync(fileOf('rotated'), 'utf8'), before)
    assert.equal(at('rotated', newer).find('A')?.reveal(), 'hunter22')
    assert.throws(() => at('rotated', older).find('A'), { code: 'WAGGLE_SECRET_UNREADABLE' })
  })

  it('are encrypted differently each time, even for the same value', () => {
    const secrets = at('random', newKey())
    const texts = [1, 2].map(() => {
      secrets.set('A', 'hunter22')
      return readFileSync(fileOf('random'), 'utf8')
    })
    assert.notEqual(texts[0], texts[1])
  })

  it('need an encryption key, a valid name and a value of a permitted size, and only a stored secret can be deleted', () => {
    assert.throws(() => at('wrong', '').set('A', 'x'), { code: 'WAGGLE_SECRETS_NOT_ENCRYPTED' })
    const secrets = at('wrong', newKey())
    for (const name of ['', 'a-b', '1A', '../x', '__proto__ ', 'A'.repeat(256)])
      assert.throws(() => secrets.set(name, 'x'), { code: 'WAGGLE_SECRET_INVALID' }, name)
    for (const value of ['', 'x'.repeat(64 * 1024 + 1)]) assert.throws(() => secrets.set('A', value), { code: 'WAGGLE_SECRET_INVALID' })
    assert.throws(() => secrets.delete('A'), { code: 'WAGGLE_UNKNOWN_SECRET' })
    secrets.set('A'.repeat(255), 'x')
  })
})

it('A secrets key of the wrong length is refused, and the error does not quote it', () => {
  for (const text of ['short', randomBytes(31).toString('base64'), randomBytes(33).toString('hex'), `${newKey()},hunter22hunter22`, '!'.repeat(43)]) {
    assert.throws(
      () => SecretKeys.parse(text),
      (error: unknown) => error instanceof RangeError && /^Key \d is not 32 bytes/.test(error.message),
      text,
    )
  }
})
