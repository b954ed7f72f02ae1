import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { openStateDirectory } from '../../../connectors/rocksdb/state-directory.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { stateDirectoryContract } from '../../contract/state-directory.ts'

const random = new SystemRandom()

stateDirectoryContract('RocksDB', async () => {
  const path = mkdtempSync(join(tmpdir(), 'waggle-state-'))
  let directory = await openStateDirectory({ directory: path, random })
  return {
    directory,
    async reopen() {
      await directory.close()
      directory = await openStateDirectory({ directory: path, random })
      return directory
    },
    async close() {
      await directory.close()
      rmSync(path, { recursive: true, force: true })
    },
  }
})

it('A state directory can be open in only one process at a time', async () => {
  const path = mkdtempSync(join(tmpdir(), 'waggle-state-'))
  const directory = await openStateDirectory({ directory: path, random })
  try {
    await assert.rejects(openStateDirectory({ directory: path, random }), { code: 'WAGGLE_DATA_DIR_IN_USE' })
  } finally {
    await directory.close()
    rmSync(path, { recursive: true, force: true })
  }
})
