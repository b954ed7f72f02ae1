import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { SystemRandom } from '../../connectors/system/system-random.ts'

/** The folders with an application's local state on Kafka: one folder for the process, or one for each of its worker threads. */
export function stateFolders(stateDir: string, applicationId: string): readonly string[] {
  const above = join(stateDir, 'state')
  if (!existsSync(above)) return []
  const prefix = `${applicationId}-StreamThread-`
  const isOwn = (name: string) => name === applicationId || (name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
  return readdirSync(above)
    .filter(isOwn)
    .map((name) => join(above, name))
}

/** Throws WAGGLE_DATA_DIR_IN_USE if a process has one of these folders open. */
export async function expectNobodyIn(folders: readonly string[]): Promise<void> {
  const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
  for (const directory of folders) await (await openStateDirectory({ directory, random: new SystemRandom() })).close()
}

export function deleteFolders(folders: readonly string[]): void {
  for (const folder of folders) rmSync(folder, { recursive: true })
}
