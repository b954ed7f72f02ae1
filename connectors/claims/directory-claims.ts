import { readFileSync } from 'node:fs'
import { mkdir, open, readdir, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock, Random } from '../../processor/ports.ts'
import { timesInKey } from '../../topology/swarm/payload/claim-codec.ts'
import type { ClaimStore } from '../../topology/swarm/ports/claims.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { syncDirectory } from '../system/directory-sync.ts'
import { errorCode } from '../system/error-code.ts'
import { fileError } from '../system/file-error.ts'
import { writePrivateFile } from '../system/private-file.ts'
import { DirectoryBytes, type DirectoryBytesOptions, sizeOf } from './directory-bytes.ts'

export interface DirectoryClaimsOptions extends Pick<DirectoryBytesOptions, 'maxBytes' | 'onNotice' | 'disk'> {
  readonly random: Random
  readonly clock: Pick<Clock, 'elapsedMs'>
}

/**
 * A store of large payloads in the data directory, for a process that is alone on its log. A folder has the objects that expire within the same 1,000
 * seconds, and its name is the first seven digits of their names. The file `store` has a random name, which tells two data directories apart.
 */
export class DirectoryClaims implements ClaimStore {
  readonly name: string
  readonly #directory: string
  readonly #bytes: DirectoryBytes
  /** Folders whose names this process has made durable. */
  readonly #synced = new Set<string>()

  private constructor(directory: string, name: string, bytes: DirectoryBytes) {
    this.#directory = directory
    this.#bytes = bytes
    this.name = name
  }

  /** Opens the store of a directory, and makes it if it is missing. Throws WAGGLE_FILE_UNUSABLE, WAGGLE_DISK_FULL, and WAGGLE_CLAIM_STORE for a file without a name. */
  static async open(directory: string, { random, ...options }: DirectoryClaimsOptions): Promise<DirectoryClaims> {
    const file = join(directory, nameFile)
    const found = nameIn(file)
    const name = found ?? `data-directory:${Buffer.from(random.bytes(8)).toString('hex')}`
    if (found === null) writePrivateFile(file, name)
    try {
      // An earlier process may have died between making the directory and this sync.
      syncDirectory(dirname(directory))
    } catch (thrown) {
      throw fileError(thrown) ?? thrown
    }
    return new DirectoryClaims(directory, name, await DirectoryBytes.counted({ ...options, directory }))
  }

  get usage(): { readonly bytes: number; readonly maxBytes: number } {
    return this.#bytes.usage
  }

  refusal(bytes: number): WaggleError | null {
    return this.#bytes.refusal(bytes)
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(key)
    const folder = dirname(path)
    this.#bytes.add(bytes.length)
    try {
      if (await madeFolder(folder)) this.#synced.delete(folder)
      try {
        await writeDurably(path, bytes)
        syncDirectory(folder)
        this.#syncFolder(folder)
      } catch (thrown) {
        // No record will name this object. What is written of it would fill the disk until the object expires.
        await rm(path, { force: true }).catch(() => {})
        throw thrown
      }
    } catch (thrown) {
      this.#bytes.remove(bytes.length)
      throw fileError(thrown) ?? thrown
    } finally {
      this.#bytes.written(bytes.length)
    }
  }

  async get(key: string, maxBytes: number): Promise<Uint8Array | null> {
    try {
      const file = await open(this.#pathOf(key), 'r')
      try {
        const { size } = await file.stat()
        const bytes = new Uint8Array(Math.min(size, maxBytes + 1))
        let filled = 0
        while (filled < bytes.length) {
          const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, filled)
          if (bytesRead === 0) break
          filled += bytesRead
        }
        return bytes.subarray(0, filled)
      } finally {
        await file.close()
      }
    } catch (thrown) {
      if (errorCode(thrown) === 'ENOENT') return null
      throw fileError(thrown) ?? thrown
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key)
    try {
      const bytes = await sizeOf(path)
      await rm(path, { force: true })
      this.#bytes.remove(bytes)
      this.#synced.delete(dirname(path))
      // A folder is deleted with its last object. No new object goes into the folder, because its 1,000 seconds are over.
      await rmdir(dirname(path)).catch((thrown: unknown) => {
        if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(thrown))) throw thrown
      })
    } catch (thrown) {
      throw fileError(thrown) ?? thrown
    }
  }

  async list(before: string, most: number): Promise<readonly string[]> {
    const keys: string[] = []
    for (const folder of (await namesIn(this.#directory)).filter((name) => /^\d{7}$/.test(name)).toSorted()) {
      if (folder > before.slice(0, folderDigits)) break
      for (const key of (await namesIn(join(this.#directory, folder))).toSorted()) {
        if (key >= before || keys.length >= most) return keys
        if (timesInKey(key) !== null) keys.push(key)
      }
    }
    return keys
  }

  async close(): Promise<void> {}

  /** Makes the name of a folder durable. Another put or an earlier process may have made the folder, and may have died before its sync. */
  #syncFolder(folder: string): void {
    if (this.#synced.has(folder)) return
    syncDirectory(this.#directory)
    this.#synced.add(folder)
  }

  #pathOf(key: string): string {
    if (timesInKey(key) === null) throw new RangeError(`${JSON.stringify(key.slice(0, 100))} is no name of an object`)
    return join(this.#directory, key.slice(0, folderDigits), key)
  }
}

/** Makes the folder of an object. True if it was missing. */
async function madeFolder(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 })
    return true
  } catch (thrown) {
    if (errorCode(thrown) !== 'EEXIST') throw thrown
    return false
  }
}

/** Writes a file, and replaces what an earlier, failed write left there. */
async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The name in a store's file; null if there is no file. */
function nameIn(file: string): string | null {
  const found = textIn(file)
  if (found === null || namePattern.test(found)) return found
  throw new WaggleError('WAGGLE_CLAIM_STORE', {
    message: `${file} has no name of a claim store, so records would name payloads that nobody finds`,
    next: `Take the file from a backup. Without one, move ${dirname(file)} away: large payloads of earlier records are then gone.`,
  })
}

function textIn(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return null
    throw fileError(thrown) ?? thrown
  }
}

/** The names in a folder; empty if a sweep has already removed the folder. */
async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder)
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return []
    throw fileError(thrown) ?? thrown
  }
}

const nameFile = 'store'
const namePattern = /^data-directory:[0-9a-f]{16}$/
const folderDigits = 7
