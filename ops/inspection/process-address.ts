import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { readPrivateFile, writePrivateFile } from '../../connectors/system/private-file.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

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
  if (ownAddress(dataDirectory)?.instance === instance) rmSync(pathIn(dataDirectory), { force: true })
}

/**
 * The address that the running process has written to its file in the data directory; null if there is no file. A killed process leaves its file
 * behind, so compare `instance` with the instance of the answering process. Throws WAGGLE_FILE_FOREIGN for a link and for a file of another user, because a command sends its token to the address.
 */
export function readAddress(dataDirectory: string): ProcessAddress | null {
  try {
    const found: unknown = JSON.parse(Buffer.from(readPrivateFile(pathIn(dataDirectory), { maxBytes, next: '' })).toString())
    if (typeof found !== 'object' || found === null || !('url' in found) || !('instance' in found)) return null
    const { url, instance } = found
    const token = 'token' in found && typeof found.token === 'string' ? found.token : ''
    return typeof url === 'string' && typeof instance === 'string' && URL.canParse(url) ? { url, instance, token } : null
  } catch (thrown) {
    if (thrown instanceof WaggleError && thrown.code === 'WAGGLE_FILE_FOREIGN') throw thrown
    return null
  }
}

/** The address in the file; null also for a file that another user put at this path. */
function ownAddress(dataDirectory: string): ProcessAddress | null {
  try {
    return readAddress(dataDirectory)
  } catch {
    return null
  }
}

const maxBytes = 64 * 1024

function pathIn(dataDirectory: string): string {
  return join(dataDirectory, 'process.json')
}
