import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { Rocks } from '../../../connectors/rocksdb/rocks.ts'

const withoutProc = process.platform === 'linux' ? false : 'only Linux lists open files in /proc'

test('A sync covers each log file that RocksDB has started', { skip: withoutProc }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-wal-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const rocks = await Rocks.open(directory)
  const synced = new Set<string>()
  for (let at = 0; at < 120; at++) {
    rocks.write([[Buffer.from(`key ${at}`), Buffer.alloc(512 * 1024)]])
    const newest = newestLog(directory)
    await rocks.sync()
    assert.ok(openFiles().includes(join(directory, newest)), `${newest} was not opened by the sync`)
    synced.add(newest)
  }
  await rocks.close()
  assert.ok(synced.size > 2, 'RocksDB began no other log file')
})

function newestLog(directory: string): string {
  const logs = readdirSync(directory).filter((name) => name.endsWith('.log'))
  return basename(logs.sort().at(-1) ?? '')
}

/** Files that this process has open only for reading, as `WalSync` opens them. RocksDB has its log file open for writing. */
function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      const [, flags = '1'] = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, 'utf8')) ?? []
      return (Number.parseInt(flags, 8) & 0o3) === 0 ? [readlinkSync(`/proc/self/fd/${name}`)] : []
    } catch {
      return [] // The descriptor of this listing is already closed.
    }
  })
}
