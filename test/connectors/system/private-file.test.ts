import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { writePrivateFile } from '../../../connectors/system/private-file.ts'

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
})
