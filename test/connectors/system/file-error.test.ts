import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileError, makeDirectory } from '../../../connectors/system/file-error.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('The error for a file', () => {
  const thrown = (code: string, path?: string) =>
    Object.assign(new Error(`${code}: said by the system`), { code, syscall: 'open', ...(path === undefined ? {} : { path }) })

  for (const { code, expected } of [
    { code: 'EACCES', expected: /^\/data may not be used by this user \(EACCES\)$/ },
    { code: 'EPERM', expected: /may not be changed/ },
    { code: 'EROFS', expected: /read-only/ },
    { code: 'ENOTDIR', expected: /through a file/ },
    { code: 'EMFILE', expected: /as many files open as it may/ },
    { code: 'EIO', expected: /the disk fails/ },
    { code: 'ENOSPC', expected: /is full/ },
    { code: 'ENOENT', expected: /is not there \(/ },
    { code: 'EEXIST', expected: /is there already/ },
    { code: 'EDQUOT', expected: /quota/ },
  ]) {
    it(`names the path, the cause and the next step: ${code}`, () => {
      const error = fileError(thrown(code, '/data'), 'Or set WAGGLE_DATA_DIR.')
      assert.match(error?.message ?? '', expected)
      assert.match(error?.next ?? '', /^[A-Z].*\. Or set WAGGLE_DATA_DIR\.$/)
      assert.equal(error?.code, ['ENOSPC', 'EDQUOT'].includes(code) ? 'WAGGLE_DISK_FULL' : 'WAGGLE_FILE_UNUSABLE')
    })
  }

  it('is a whole sentence even without a path', () => {
    assert.equal(fileError(thrown('ENOSPC'))?.message, 'A file does not fit on its disk, which is full (ENOSPC)')
  })

  it('is not used for a failed connection, a failed program, or an error of a user’s code', () => {
    assert.equal(fileError(Object.assign(new Error('no'), { code: 'EACCES', syscall: 'listen' })), null)
    assert.equal(fileError(Object.assign(new Error('no'), { code: 'EACCES' })), null)
    assert.equal(fileError(new Error('ENOSPC')), null)
    assert.equal(fileError('ENOSPC'), null)
    assert.equal(fileError(new WaggleError('WAGGLE_INTERNAL', { message: 'known', next: 'Nothing.' })), null)
  })
})

describe('The creation of a directory', () => {
  let place: string
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), 'waggle-directory-'))
  })
  afterEach(() => rmSync(place, { recursive: true }))

  it('creates its parents too, and succeeds if the directory exists already', () => {
    makeDirectory(join(place, 'a', 'b'))
    makeDirectory(join(place, 'a', 'b'))
    assert.ok(statSync(join(place, 'a', 'b')).isDirectory())
  })

  it('fails if the directory or a parent is a file', () => {
    writeFileSync(join(place, 'file'), '')
    mkdirSync(join(place, 'folder'))
    for (const path of ['file', 'file/below', 'file/far/below']) {
      assert.throws(
        () => makeDirectory(join(place, path), 'Or set WAGGLE_DATA_DIR.'),
        ({ code, message, next }: WaggleError) =>
          code === 'WAGGLE_FILE_UNUSABLE' && message.startsWith(join(place, 'file')) && next.endsWith('Or set WAGGLE_DATA_DIR.'),
        path,
      )
    }
  })

  it('fails if the system cannot create the directory', { skip: process.platform !== 'linux' }, () => {
    assert.throws(
      () => makeDirectory('/proc/waggle/data'),
      ({ code, message }: WaggleError) => code === 'WAGGLE_FILE_UNUSABLE' && /^\/proc\/waggle /.test(message),
    )
  })
})
