import assert from 'node:assert/strict'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { CreatedTokens } from '../../../connectors/gateway/access/created-tokens.ts'
import { EncryptedSecrets } from '../../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../../connectors/secrets/secret-keys.ts'
import { isTrustedOwner } from '../../../connectors/system/file-owner.ts'
import { writePrivateFile } from '../../../connectors/system/private-file.ts'
import { readAddress } from '../../../ops/inspection/process-address.ts'

describe('A private file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-private-'))
  after(() => rmSync(directory, { recursive: true }))
  const modeOf = (file: string) => statSync(file).mode & 0o777

  it('can be read only by its user, even if a killed process or another program has left a file beside it', () => {
    const file = join(directory, 'secrets.json')
    writeFileSync(`${file}.next`, 'left by somebody', { mode: 0o644 })
    writePrivateFile(file, 'new')
    assert.deepEqual([readFileSync(file, 'utf8'), modeOf(file)], ['new', 0o600])
    assert.deepEqual(readdirSync(directory), ['secrets.json'])
  })

  it('is not written through a link beside it', () => {
    const [file, other] = [join(directory, 'tokens.json'), join(directory, 'other')]
    writeFileSync(other, 'of another program')
    symlinkSync(other, `${file}.next`)
    writePrivateFile(file, 'new')
    assert.deepEqual([readFileSync(file, 'utf8'), readFileSync(other, 'utf8')], ['new', 'of another program'])
  })

  describe('that somebody else put in its place', { skip: process.platform === 'win32' }, () => {
    const tokens = '{"version": 1, "tokens": []}'
    /** The four readers of such files, in a directory of their own. */
    function readersIn(name: string) {
      const data = join(directory, name)
      mkdirSync(data)
      return {
        data,
        files: ['tokens.json', 'secrets.json', 'process.json'].map((file) => join(data, file)),
        read: [() => new CreatedTokens(data).list(), () => new EncryptedSecrets(data, SecretKeys.parse('')).names(), () => readAddress(data)],
      }
    }

    it('is refused if it is a link, also one that leads nowhere, which is no absence of tokens', () => {
      const { data, files, read } = readersIn('links')
      const elsewhere = join(directory, 'elsewhere')
      writeFileSync(elsewhere, tokens)
      for (const [at, file] of files.entries()) {
        symlinkSync(elsewhere, file)
        assert.throws(() => read[at]?.(), { code: 'WAGGLE_FILE_FOREIGN', message: `${file} is a link, and Waggle writes a file there` })
        rmSync(file)
        symlinkSync(join(directory, 'nowhere'), file)
        assert.throws(() => read[at]?.(), { code: 'WAGGLE_FILE_FOREIGN' }, file)
      }
      assert.equal(new CreatedTokens(data).exist, true)
      assert.equal(readFileSync(elsewhere, 'utf8'), tokens)
    })

    it('is refused if it belongs to another user', { skip: process.geteuid?.() !== 0 && 'only root can give a file to another user' }, () => {
      const { files, read } = readersIn('owners')
      for (const [at, file] of files.entries()) {
        writeFileSync(file, tokens, { mode: 0o600 })
        chownSync(file, 12_345, 12_345)
        assert.throws(() => read[at]?.(), { code: 'WAGGLE_FILE_FOREIGN', message: `${file} belongs to another user (uid 12345)` })
      }
    })

    it('belongs to another user if it is neither this one’s, nor root’s, nor that of the owner of its directory', () => {
      const places = { user: 1000, directoryOwner: 1001 }
      assert.deepEqual(
        [1000, 0, 1001, 1002].map((owner) => isTrustedOwner(owner, places)),
        [true, true, true, false],
      )
    })
  })
})
