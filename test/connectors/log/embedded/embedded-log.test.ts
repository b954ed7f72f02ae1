import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { logContract } from '../../../contract/log.ts'

logContract('The embedded log', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-log-'))
  const clock = new SimulatedClock()
  let open = await openEmbeddedLog({ directory, clock })
  return {
    log: open,
    clock,
    async reopen() {
      await open.close()
      open = await openEmbeddedLog({ directory, clock })
      return open
    },
    async close() {
      await open.close()
      rmSync(directory, { recursive: true })
    },
  }
})
