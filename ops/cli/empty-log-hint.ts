import { resolve } from 'node:path'
import type { Management } from '../../topology/swarm/management.ts'
import type { Settings } from '../config/settings.ts'
import { RemoteManagement } from '../inspection/remote-management.ts'

/**
 * Says on standard error which data directory was looked at, if its log has no topic. The usual cause is another working directory. With `json` only a person at a
 * terminal sees it: a program knows its directory, and may take standard error for a failure.
 */
export async function hintAtEmptyLog(management: Management, settings: Settings, json: boolean): Promise<void> {
  if (settings.log !== 'embedded' || management instanceof RemoteManagement || (json && !process.stderr.isTTY)) return
  if ((await management.topics()).length > 0) return
  const directory = resolve(settings.data_dir)
  process.stderr.write(
    `waggle: there is no topic in ${directory}. Run this in the folder where the swarm or program was started, or set WAGGLE_DATA_DIR.\n`,
  )
}
