import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ChainedSecrets } from '../../../connectors/secrets/chained-secrets.ts'
import { EnvironmentSecrets } from '../../../connectors/secrets/environment-secrets.ts'
import { SecretFolder } from '../../../connectors/secrets/secret-folder.ts'

describe('A folder of secrets', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-secret-folder-'))
  after(() => rmSync(directory, { recursive: true }))

  it('mounted by Kubernetes gives the content of each linked file, without the final newline', () => {
    const mount = join(directory, 'mount')
    mkdirSync(join(mount, '..2026_11_30'), { recursive: true })
    symlinkSync('..2026_11_30', join(mount, '..data'))
    for (const [name, content] of Object.entries({ DB_PASSWORD: 'hunter2\n', windows: 'hunter2\r\n', two: ' a\nb\n\n', none: '' })) {
      writeFileSync(join(mount, '..2026_11_30', name), content)
      symlinkSync(join('..data', name), join(mount, name))
    }
    const folder = new SecretFolder(mount)
    assert.deepEqual(folder.names().toSorted(), ['DB_PASSWORD', 'none', 'two', 'windows'])
    assert.deepEqual(
      ['DB_PASSWORD', 'windows', 'two', 'none', 'missing', '../mount/two', '..data'].map((name) => folder.find(name)?.reveal() ?? null),
      ['hunter2', 'hunter2', ' a\nb\n', '', null, null, null],
    )
  })

  it('gives the reason, but never the content, if a secret cannot be read', () => {
    const bad = join(directory, 'bad')
    mkdirSync(join(bad, 'folder'), { recursive: true })
    writeFileSync(join(bad, 'binary'), Buffer.from([0x68, 0x75, 0x6e, 0x74, 0xff]))
    writeFileSync(join(bad, 'large'), 'hunter2'.repeat(20_000))
    const folder = new SecretFolder(bad)
    const reasons: { readonly [name: string]: RegExp } = { folder: /is a directory/, binary: /is not UTF-8/, large: /is larger than 65536 bytes/ }
    for (const [name, message] of Object.entries(reasons)) {
      assert.throws(() => folder.find(name), { code: 'WAGGLE_SECRET_UNREADABLE', message })
      assert.throws(
        () => folder.find(name),
        (error: Error) => !/hunt/.test(`${error.stack}${JSON.stringify(error)}`),
      )
    }
  })

  it('has no secrets if it does not exist, and the hint names the missing file', () => {
    const folder = new SecretFolder(join(directory, 'nowhere'))
    assert.equal(folder.find('KEY'), null)
    assert.equal(folder.howToSet('KEY'), `write it to the file ${join(directory, 'nowhere', 'KEY')}`)
  })

  it('is used only for secrets that the environment lacks', () => {
    const own = join(directory, 'own')
    mkdirSync(own)
    writeFileSync(join(own, 'A'), 'from the folder')
    writeFileSync(join(own, 'B'), 'from the folder')
    const chain = new ChainedSecrets([new EnvironmentSecrets({ WAGGLE_SECRET_A: 'from the environment', OTHER: 'x' }), new SecretFolder(own)])
    assert.deepEqual(
      ['A', 'B', 'OTHER', 'constructor'].map((name) => chain.find(name)?.reveal() ?? null),
      ['from the environment', 'from the folder', null, null],
    )
    assert.deepEqual(chain.names().toSorted(), ['A', 'B'])
    assert.equal(chain.howToSet('C'), `Set WAGGLE_SECRET_C, or write it to the file ${join(own, 'C')}`)
  })
})
