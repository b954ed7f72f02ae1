import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { CreatedTokens } from '../../../connectors/gateway/access/created-tokens.ts'
import { EncryptedSecrets } from '../../../connectors/secrets/encrypted-secrets.ts'
import { SecretKeys } from '../../../connectors/secrets/secret-keys.ts'
import { withFileLock } from '../../../connectors/system/file-lock.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const key = Buffer.alloc(32, 7).toString('base64')

describe('A lock on a file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-file-lock-'))
  after(() => rmSync(directory, { recursive: true }))
  let count = 0
  const newFile = () => join(directory, String(++count), 'file.json')

  it('is removed after the work, even if the work throws', () => {
    const file = newFile()
    assert.equal(
      withFileLock(file, () => existsSync(`${file}.lock`)),
      true,
    )
    assert.throws(
      () =>
        withFileLock(file, () => {
          throw new Error('no')
        }),
      /^Error: no$/,
    )
    assert.deepEqual(readdirSync(join(file, '..')), [])
  })

  it('keeps another process out while its holder lives, and that process reports whom it waits for', () => {
    const file = newFile()
    withFileLock(file, () => {})
    writeFileSync(`${file}.lock`, `${process.pid} - ${hostname()}`)
    assert.throws(() => withFileLock(file, () => assert.fail('it is locked')), {
      code: 'WAGGLE_FILE_LOCKED',
      message: new RegExp(`process ${process.pid} of`),
    })
    assert.ok(existsSync(`${file}.lock`))
  })

  it('is taken over from a dead process, also if another process now has the dead process’s id', async () => {
    const child = spawn(process.execPath, ['-e', ''])
    await once(child, 'exit')
    for (const dead of [`${child.pid} - ${hostname()}`, `${process.pid} 1 ${hostname()}`]) {
      const file = newFile()
      withFileLock(file, () => {})
      writeFileSync(`${file}.lock`, dead)
      assert.equal(
        withFileLock(file, () => 'done'),
        'done',
      )
    }
  })

  it('is not taken over from a process of another machine, because that process is not visible here', () => {
    const file = newFile()
    withFileLock(file, () => {})
    writeFileSync(`${file}.lock`, '1 - elsewhere')
    assert.throws(() => withFileLock(file, () => assert.fail('it is locked')), { code: 'WAGGLE_FILE_LOCKED' })
  })

  it('keeps every token when many processes create tokens at the same time', async () => {
    const data = join(directory, 'tokens')
    await eachOf(
      6,
      (at) => `
      import { CreatedTokens } from ${JSON.stringify(join(root, 'connectors/gateway/access/created-tokens.ts'))}
      for (let one = 0; one < 5; one++) new CreatedTokens(${JSON.stringify(data)}).create({ name: 'token-${at}-' + one, scopes: ['read'], nowMs: 0 })`,
    )
    assert.equal(new CreatedTokens(data).list().length, 30)
  })

  it('keeps every secret when many processes store secrets at the same time', async () => {
    const data = join(directory, 'secrets')
    await eachOf(
      6,
      (at) => `
      import { EncryptedSecrets } from ${JSON.stringify(join(root, 'connectors/secrets/encrypted-secrets.ts'))}
      import { SecretKeys } from ${JSON.stringify(join(root, 'connectors/secrets/secret-keys.ts'))}
      const secrets = new EncryptedSecrets(${JSON.stringify(data)}, SecretKeys.parse(${JSON.stringify(key)}))
      for (let one = 0; one < 5; one++) secrets.set('SECRET_${at}_' + one, 'value')`,
    )
    assert.equal(new EncryptedSecrets(data, SecretKeys.parse(key)).names().length, 30)
    assert.match(readFileSync(join(data, 'secrets.json'), 'utf8'), /SECRET_5_4/)
  })
})

/** Runs a program in several processes at the same time. */
async function eachOf(processes: number, program: (at: number) => string): Promise<void> {
  const run = promisify(execFile)
  await Promise.all(Array.from({ length: processes }, (_, at) => run(process.execPath, ['--input-type=module', '-e', program(at)])))
}
