import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { writeBackup } from '../../../ops/backup/backup.ts'
import { restoreBackup } from '../../../ops/backup/restore.ts'
import type { Log } from '../../../processor/ports.ts'

describe('The directory of a backup', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'waggle-backup-place-'))
  })
  afterEach(() => rmSync(root, { recursive: true }))

  /** Makes a data directory of these files. */
  const data = (name: string, files: { readonly [file: string]: string }) => {
    const directory = join(root, name)
    mkdirSync(directory)
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text)
    return directory
  }
  const write = (dataDirectory: string, into: string, log: Log | null = null) =>
    writeBackup({ dataDirectory, into: join(root, into), log, clock: systemClock, waggle: '1.0.0' })

  it('belongs to the first of two processes that write to it, and the second one leaves it alone', async () => {
    const one = data('one', { 'file-1': 'text 1', 'file-2': 'text 2' })
    const log = await openEmbeddedLog({ directory: join(one, 'log'), clock: systemClock })
    // The first one waits for a snapshot of its log while the second one begins.
    const [first, second] = await Promise.allSettled([write(one, 'backup', log), write(data('two', { 'file-2': 'other' }), 'backup')])
    await log.close()
    assert.equal(first.status, 'fulfilled')
    assert.equal(second.status === 'rejected' && second.reason.code, 'WAGGLE_BACKUP_PLACE')
    await restoreBackup({ from: join(root, 'backup'), dataDirectory: join(root, 'restored') })
    assert.deepEqual(readdirSync(join(root, 'restored')).toSorted(), ['file-1', 'file-2', 'log'])
    assert.equal(readFileSync(join(root, 'restored', 'file-2'), 'utf8'), 'text 2')
  })
})
