import { freshId } from '../../connectors/gateway/fresh-id.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { LogManagement } from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { openLog } from '../beekeeper/open-log.ts'
import type { Settings } from '../config/settings.ts'
import { LocalManagement } from './local-management.ts'
import { readAddress } from './process-address.ts'
import { RemoteManagement } from './remote-management.ts'

/**
 * Calls `work` with the management of a running process: the process at `url`, or the process that has the data directory open. If there is no such
 * process, or on a cluster, this process opens the log itself, and knows the swarms of `plans`. Throws WAGGLE_UNREACHABLE if nothing answers at
 * `url`.
 */
export async function withManagement<T>(
  settings: Settings,
  { url, plans = [] }: { readonly url: string | null; readonly plans?: readonly SwarmPlan[] },
  work: (management: LogManagement) => Promise<T>,
): Promise<T> {
  const remote = url === null ? await runningProcess(settings) : await RemoteManagement.open(url)
  if (remote !== null) return closing(remote, work)
  const log = await openLog(settings)
  try {
    const random = new SystemRandom()
    const { schema_registry_url: schemaRegistryUrl } = settings
    const newId = () => freshId(systemClock, random)
    return await closing(await LocalManagement.open({ log, clock: systemClock, newId, schemaRegistryUrl, plans }), work)
  } finally {
    await log.close()
  }
}

/**
 * Calls `work` with the management of a running process: the process at `url`, or the process that has the data directory open, or else the process
 * at the port of the settings. Throws WAGGLE_UNREACHABLE if no process answers. This function is for information that exists only while a process
 * runs.
 */
export async function withRunningProcess<T>(settings: Settings, url: string | null, work: (management: LogManagement) => Promise<T>): Promise<T> {
  const usual = `http://127.0.0.1:${settings.http_port}`
  return closing(url === null ? ((await runningProcess(settings)) ?? (await RemoteManagement.open(usual))) : await RemoteManagement.open(url), work)
}

async function closing<T>(management: LogManagement, work: (management: LogManagement) => Promise<T>): Promise<T> {
  try {
    return await work(management)
  } finally {
    await management.close()
  }
}

/**
 * The process that has the data directory open; null if there is none. A killed process leaves its address in the directory, and another process may
 * listen at this address now.
 */
export async function runningProcess({ log, data_dir }: Settings): Promise<RemoteManagement | null> {
  const address = log === 'embedded' ? readAddress(data_dir) : null
  if (address === null) return null
  const remote = await RemoteManagement.open(address.url, address.token).catch(() => null)
  return remote?.instance === address.instance ? remote : null
}
