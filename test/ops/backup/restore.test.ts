import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, it } from 'node:test'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { writeBackup } from '../../../ops/backup/backup.ts'
import { restoreBackup } from '../../../ops/backup/restore.ts'
import { openLog } from '../../../ops/beekeeper/open-log.ts'
import { loadConfig } from '../../../ops/config/config.ts'

describe('waggle restore', () => {
  let root: string
  let backup: string
  let volume: string
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'waggle-restore-'))
    const data = join(root, 'data')
    mkdirSync(join(data, 'folder'), { recursive: true })
    writeFileSync(join(data, 'tokens.json'), '{}')
    writeFileSync(join(data, 'folder', 'file'), 'text')
    backup = join(root, 'backup')
    await writeBackup({ dataDirectory: data, into: backup, log: null, clock: systemClock, waggle: '1.0.0' })
  })
  after(() => rmSync(root, { recursive: true }))
  beforeEach(() => {
    volume = mkdtempSync(join(root, 'volume-'))
  })

  it('works inside the directory, which may be a volume that can be neither moved nor deleted', async () => {
    mkdirSync(join(volume, 'lost+found'))
    const { ino } = statSync(volume)
    await restoreBackup({ from: backup, dataDirectory: volume })
    assert.equal(statSync(volume).ino, ino)
    assert.deepEqual(readdirSync(volume).toSorted(), ['folder', 'lost+found', 'tokens.json'])
    assert.equal(readFileSync(join(volume, 'folder', 'file'), 'utf8'), 'text')
  })

  it('leaves its files inside the directory when it is killed, and neither a server nor another restore treats them as complete', async () => {
    mkdirSync(join(volume, '.restoring'))
    writeFileSync(join(volume, '.restoring', 'tokens.json'), '{}')
    await assert.rejects(restoreBackup({ from: backup, dataDirectory: volume }), { code: 'WAGGLE_RESTORE_UNFINISHED' })
    const { settings } = loadConfig({ directories: [root], env: { WAGGLE_DATA_DIR: volume } })
    await assert.rejects(openLog(settings), { code: 'WAGGLE_RESTORE_UNFINISHED', next: /delete everything in/ })
    assert.deepEqual(readdirSync(volume), ['.restoring'])
  })

  it('allows only one restore at a time', async () => {
    const [first, second] = await Promise.allSettled([1, 2].map(() => restoreBackup({ from: backup, dataDirectory: volume })))
    assert.equal(first?.status, 'fulfilled')
    assert.equal(second?.status === 'rejected' && second.reason.code, 'WAGGLE_RESTORE_UNFINISHED')
    assert.equal(existsSync(join(volume, 'tokens.json')), true)
  })

  it('leaves an empty volume if the backup is damaged', async () => {
    const damaged = join(root, 'damaged')
    const data = join(root, 'other')
    mkdirSync(data)
    writeFileSync(join(data, 'file'), 'text')
    await writeBackup({ dataDirectory: data, into: damaged, log: null, clock: systemClock, waggle: '1.0.0' })
    writeFileSync(join(damaged, 'data', 'file'), 'other')
    await assert.rejects(restoreBackup({ from: damaged, dataDirectory: volume }), { code: 'WAGGLE_BACKUP_DAMAGED' })
    assert.deepEqual(readdirSync(volume), [])
  })
})
