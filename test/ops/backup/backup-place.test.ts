import assert from 'node:assert/strict'
import fs, { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { writePrivateFile } from '../../../connectors/system/private-file.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { writeBackup } from '../../../ops/backup/backup.ts'
import { restoreBackup } from '../../../ops/backup/restore.ts'
import type { Log } from '../../../processor/ports.ts'

describe('The directory of a backup', () => {
  let root: string
  beforeEach(() => {
    root = realpathSync(mkdtempSync(join(tmpdir(), 'waggle-backup-place-')))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  /** Makes a data directory with these files. */
  const data = (name: string, files: { readonly [file: string]: string }) => {
    const directory = join(root, name)
    mkdirSync(directory)
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text)
    return directory
  }
  const write = (dataDirectory: string, into: string, log: Log | null = null) =>
    writeBackup({ dataDirectory, into: join(root, into), log, clock: systemClock, waggle: '1.0.0' })

  it('belongs to the first of two processes that write to it, and the second process leaves it alone', async () => {
    const one = data('one', { 'file-1': 'text 1', 'file-2': 'text 2' })
    const log = await openEmbeddedLog({ directory: join(one, 'log'), clock: systemClock })
    // The first backup waits for a snapshot of its log while the second backup begins.
    const [first, second] = await Promise.allSettled([write(one, 'backup', log), write(data('two', { 'file-2': 'other' }), 'backup')])
    await log.close()
    assert.equal(first.status, 'fulfilled')
    assert.equal(second.status === 'rejected' && second.reason.code, 'WAGGLE_BACKUP_PLACE')
    await restoreBackup({ from: join(root, 'backup'), dataDirectory: join(root, 'restored') })
    assert.deepEqual(readdirSync(join(root, 'restored')).toSorted(), ['file-1', 'file-2', 'log'])
    assert.equal(readFileSync(join(root, 'restored', 'file-2'), 'utf8'), 'text 2')
  })

  it('gets the tokens of the moment when the log is taken, even if tokens change while files are copied', async () => {
    const directory = data('one', { 'a-large-file': 'x'.repeat(64 * 1024 * 1024), 'tokens.json': 'old' })
    const written = write(directory, 'backup')
    while (!existsSync(join(root, 'backup', 'data', 'a-large-file'))) await new Promise(setImmediate)
    writePrivateFile(join(directory, 'tokens.json'), 'new')
    await written
    assert.equal(readFileSync(join(root, 'backup', 'data', 'tokens.json'), 'utf8'), 'old')
  })

  it('also gets a folder of the user inside the data directory, which keeps that folder', async () => {
    const directory = data('one', {})
    mkdirSync(join(directory, 'backup-2026'))
    writeFileSync(join(directory, 'backup-2026', 'file'), 'mine')
    mkdirSync(join(directory, '.backup-in-progress'))
    writeFileSync(join(directory, '.backup-in-progress', 'left'), 'by a killed backup')
    await write(directory, 'backup')
    assert.deepEqual(readdirSync(directory), ['backup-2026'])
    assert.equal(readFileSync(join(directory, 'backup-2026', 'file'), 'utf8'), 'mine')
    assert.equal(readFileSync(join(root, 'backup', 'data', 'backup-2026', 'file'), 'utf8'), 'mine')
    assert.deepEqual(readdirSync(join(root, 'backup', 'data')), ['backup-2026'])
  })

  it('is durable, with all names in it, before the backup is reported', async (test) => {
    if (!existsSync('/proc/self/fd')) return test.skip('the file of a descriptor can be found only on Linux')
    const directory = data('one', { 'tokens.json': '{}' })
    mkdirSync(join(directory, 'folder'))
    writeFileSync(join(directory, 'folder', 'file'), 'text')
    const synced: string[] = []
    const sync = fs.fsyncSync
    test.mock.method(fs, 'fsyncSync', (descriptor: number) => {
      synced.push(readlinkSync(`/proc/self/fd/${descriptor}`))
      sync(descriptor)
    })
    syncBuiltinESMExports()
    try {
      await write(directory, 'backup')
    } finally {
      test.mock.restoreAll()
      syncBuiltinESMExports()
    }
    const wanted = ['data/folder', 'data', '', '..'].map((path) => join(root, 'backup', path))
    assert.deepEqual(
      wanted.filter((path) => !synced.includes(path.replace(/\/$/, ''))),
      [],
    )
    assert.equal(synced.at(-1), join(root, 'backup'))
  })
})
