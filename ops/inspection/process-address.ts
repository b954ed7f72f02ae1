import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writePrivateFile } from '../../connectors/system/private-file.ts'

/** The address of the process that has a data directory open. The directory's file `process.json` contains it. */
export interface ProcessAddress {
  readonly url: string
  /** The id of the process's run. A reader can tell from it that a different process has the address now. */
  readonly instance: string
  /** A bearer token for this run. The token lets everybody who can read the data directory manage the process. */
  readonly token: string
}

export function writeAddress(dataDirectory: string, address: ProcessAddress): void {
  writePrivateFile(pathIn(dataDirectory), `${JSON.stringify(address)}\n`)
}

/** Deletes the file if it still belongs to this run. */
export function removeAddress(dataDirectory: string, { instance }: ProcessAddress): void {
  if (readAddress(dataDirectory)?.instance === instance) rmSync(pathIn(dataDirectory), { force: true })
}

/**
 * The address in the file; null if there is no file. A killed process leaves the file behind, so compare `instance` with the instance of the process
 * that answers.
 */
export function readAddress(dataDirectory: string): ProcessAddress | null {
  try {
    const found: unknown = JSON.parse(readFileSync(pathIn(dataDirectory), 'utf8'))
    if (typeof found !== 'object' || found === null || !('url' in found) || !('instance' in found)) return null
    const { url, instance } = found
    const token = 'token' in found && typeof found.token === 'string' ? found.token : ''
    return typeof url === 'string' && typeof instance === 'string' && URL.canParse(url) ? { url, instance, token } : null
  } catch {
    return null
  }
}

function pathIn(dataDirectory: string): string {
  return join(dataDirectory, 'process.json')
}
