import { type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Makes RocksDB's write-ahead log durable. Before a write returns, RocksDB has handed it to the operating system (`manual_wal_flush` is off). The log
 * files are therefore complete, and any file descriptor can sync a file. A full memtable starts another log file. A sync therefore covers all files
 * since the last synced file, and the directory if a file is new. A new log file comes with a new version of the database, so the directory is read
 * only after the version has changed.
 */
export class WalSync {
  readonly #directory: string
  readonly #version: () => string
  /** The version of the database when the directory was read last. */
  #readAt = ''
  #current: { readonly name: string; readonly handle: FileHandle } | null = null

  /** `version` returns a text that changes whenever the database begins a log file (RocksDB's property `current-super-version-number`). */
  constructor(directory: string, version: () => string) {
    this.#directory = directory
    this.#version = version
  }

  sync(): Promise<void> {
    const version = this.#version()
    if (this.#current !== null && version === this.#readAt) return this.#current.handle.datasync()
    return this.#syncAll(version)
  }

  async #syncAll(version: string): Promise<void> {
    const logs = (await readdir(this.#directory)).filter((name) => name.endsWith('.log')).sort()
    const newest = logs.at(-1)
    if (newest === undefined) return
    const before = this.#current
    await before?.handle.datasync()
    if (before?.name === newest) {
      this.#readAt = version
      return
    }
    for (const name of logs) {
      if (before !== null && name <= before.name) continue
      const handle = await openIfThere(join(this.#directory, name))
      await handle?.datasync()
      if (name === newest && handle !== null) this.#current = { name, handle }
      else await handle?.close()
    }
    if (this.#current !== before) await before?.handle.close()
    const directory = await open(this.#directory, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
    this.#readAt = version
  }

  async close(): Promise<void> {
    await this.#current?.handle.close()
    this.#current = null
  }
}

/** Opens a log file for a sync. Null if RocksDB has deleted the file; its contents are then in synced table files. */
async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}
