import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readBounded } from '../../../connectors/system/bounded-file.ts'
import { loadConfig } from '../../../ops/config/config.ts'
import { ResolveMap } from '../../../ops/config/resolve-map.ts'

const directory = mkdtempSync(join(tmpdir(), 'waggle-files-'))
after(() => rmSync(directory, { recursive: true }))
const path = (name: string) => join(directory, name)

writeFileSync(path('small'), 'twelve bytes')
symlinkSync('ring', path('ring'))
execFileSync('mkfifo', [path('pipe')])

const refused: readonly (readonly [file: string, why: RegExp])[] = [
  ['/dev/zero', /is not a regular file/],
  [path('pipe'), /is not a regular file/],
  [directory, /is a directory/],
  [path('ring'), /ELOOP/],
  [path('nothing'), /ENOENT/],
]

test('A file of the allowed size is read, and a longer file is refused', () => {
  assert.equal(Buffer.from(readBounded(path('small'), { maxBytes: 12, next: 'Other' })).toString(), 'twelve bytes')
  assert.throws(() => readBounded(path('small'), { maxBytes: 11, next: 'Other' }), { code: 'WAGGLE_FILE_NOT_FOUND', message: /larger than 11 bytes/ })
})

for (const [file, why] of refused) {
  test(`${file.replace(directory, 'a folder’s')} is not a regular file, so it is refused at once, with its place`, () => {
    assert.throws(() => readBounded(file, { maxBytes: 1000, next: 'Name a file.' }), { message: why, place: `${file}:1:1`, next: 'Name a file.' })
  })

  test(`${file.replace(directory, 'a folder’s')} is not a regular file, so it is refused as a model`, async () => {
    await assert.rejects(new ResolveMap({}, directory).path(file, directory), { code: 'WAGGLE_FILE_NOT_FOUND' })
  })
}

test('A kernel file, whose reported size is 0, is refused as a model', async () => {
  await assert.rejects(new ResolveMap({}, directory).path('/proc/self/maps', directory), { code: 'WAGGLE_FILE_NOT_FOUND' })
})

test('A waggle.yaml that is a device is refused at once', () => {
  symlinkSync('/dev/zero', path('waggle.yaml'))
  assert.throws(() => loadConfig({ directories: [directory], env: {} }), { code: 'WAGGLE_FILE_NOT_FOUND', message: /is not a regular file/ })
})
