import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStateDirectory } from '../../../connectors/rocksdb/state-directory.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { stateStoresContract } from '../../contract/state-stores.ts'
import { propertyRuns } from '../../support/property-runs.ts'

stateStoresContract(
  'RocksDB',
  async () => {
    const path = mkdtempSync(join(tmpdir(), 'waggle-stores-'))
    const directory = await openStateDirectory({ directory: path, random: new SystemRandom() })
    return {
      directory,
      async close() {
        await directory.close()
        rmSync(path, { recursive: true, force: true })
      },
    }
  },
  { numRuns: propertyRuns(30) },
)
