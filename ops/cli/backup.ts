import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { ownPackage } from '../../topology/own-package.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BackupReport, writeBackup } from '../backup/backup.ts'
import { restoreBackup } from '../backup/restore.ts'
import { openLog } from '../beekeeper/open-log.ts'
import { loadConfig } from '../config/config.ts'
import { environmentToken } from '../inspection/bearer.ts'
import { runningProcess } from '../inspection/open-management.ts'
import { callServer, longCallMs, type Server } from '../inspection/server-call.ts'
import { exitStatus } from './exit-status.ts'
import type { ServerOptions } from './server-options.ts'

/**
 * `waggle backup DIR`: copies the data of the process that has the data directory open. If no process has it open, copies the data directory itself.
 */
export async function backup(directory: string, options: ServerOptions): Promise<number> {
  const into = resolve(directory)
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const server: Server | null =
    options.url === undefined ? await runningProcess(settings) : { url: options.url.replace(/\/+$/, ''), token: environmentToken() }
  const call = { method: 'POST', path: '/v1/backups', body: { directory: into }, signal: AbortSignal.timeout(longCallMs) }
  const report = server === null ? await withoutProcess(into) : ((await callServer(server, call)) as BackupReport)
  print(options, report, `${report.directory}: ${report.files} files, ${size(report.bytes)}`)
  return exitStatus.done
}

/** `waggle restore DIR`: makes the data directory from a backup. */
export async function restore(directory: string, options: { readonly json: boolean }): Promise<number> {
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const report = await restoreBackup({ from: directory, dataDirectory: settings.data_dir })
  print(options, report, `${report.directory}: ${report.files} files, ${size(report.bytes)}. Start Waggle with it.`)
  return exitStatus.done
}

async function withoutProcess(into: string): Promise<BackupReport> {
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  const { data_dir: dataDirectory } = settings
  if (!existsSync(dataDirectory)) {
    throw new WaggleError('WAGGLE_FILE_NOT_FOUND', {
      message: `There is no data directory ${resolve(dataDirectory)}`,
      next: 'Set WAGGLE_DATA_DIR, or go to the directory in which Waggle was started.',
    })
  }
  const log = settings.log === 'embedded' ? await openLog(settings) : null
  try {
    return await writeBackup({ dataDirectory, into, log, clock: systemClock, waggle: ownPackage.version })
  } finally {
    await log?.close()
  }
}

function print({ json }: { readonly json: boolean }, report: BackupReport, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(report) : text}\n`)
}

function size(bytes: number): string {
  return bytes < 1024 * 1024 ? `${bytes} bytes` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
