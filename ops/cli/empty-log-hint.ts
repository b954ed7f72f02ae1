import { resolve } from 'node:path'
import type { LogManagement } from '../../topology/swarm/log-management.ts'
import type { Settings } from '../config/settings.ts'
import { RemoteManagement } from '../inspection/remote-management.ts'

/**
 * Prints on standard error which data directory was used, if its log has no topic. The usual cause is a wrong working directory. With `json` the hint
 * is printed only to a terminal, because a program may treat output on standard error as a failure.
 */
export async function hintAtEmptyLog(management: LogManagement, settings: Settings, json: boolean): Promise<void> {
  if (settings.log !== 'embedded' || management instanceof RemoteManagement || (json && !process.stderr.isTTY)) return
  if ((await management.topics()).length > 0) return
  const directory = resolve(settings.data_dir)
  process.stderr.write(
    `waggle: there is no topic in ${directory}. Run this in the folder where the swarm or program was started, or set WAGGLE_DATA_DIR.\n`,
  )
}
