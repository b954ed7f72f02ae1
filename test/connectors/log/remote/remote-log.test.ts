import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MessageChannel } from 'node:worker_threads'
import { type EmbeddedLog, openEmbeddedLog } from '../../../../connectors/log/embedded/embedded-log.ts'
import { RemoteLog } from '../../../../connectors/log/remote/remote-log.ts'
import { ServedLog } from '../../../../connectors/log/remote/served-log.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { logContract } from '../../../contract/log.ts'

logContract('The embedded log over a port', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-log-'))
  const clock = new SimulatedClock()
  let open = await over(directory, clock)
  return {
    log: open.remote,
    clock,
    tellsReaders: false,
    async reopen() {
      await close(open)
      open = await over(directory, clock)
      return open.remote
    },
    async close() {
      await close(open)
      rmSync(directory, { recursive: true })
    },
  }
})

interface OverPort {
  readonly log: EmbeddedLog
  readonly served: ServedLog
  readonly remote: RemoteLog
}

async function over(directory: string, clock: SimulatedClock): Promise<OverPort> {
  const log = await openEmbeddedLog({ directory, clock })
  const { port1, port2 } = new MessageChannel()
  return { log, served: new ServedLog(log, port1), remote: new RemoteLog({ port: port2, state: log.state, clock }) }
}

async function close({ log, served, remote }: OverPort): Promise<void> {
  await remote.close()
  await served.close()
  await log.close()
}
