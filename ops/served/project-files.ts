import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { isOwn } from '../../topology/user-place.ts'

export interface ProjectFile {
  readonly hash: string
  readonly text: string
}

/** The size of a file that is too large to be read. */
export interface TooLarge {
  readonly bytes: number
}

/** The regular files below a directory, without installed packages and without Waggle's own files. Links that lead out of the directory lead to no file. */
export class ProjectFiles {
  readonly #within: string
  readonly #hashes = new Map<string, { readonly fingerprint: string; readonly hash: string }>()

  constructor(within: string) {
    this.#within = within
  }

  /** A file with its hash; null if the path leads to no file of the project. */
  async read(path: string): Promise<ProjectFile | TooLarge | null> {
    const handle = await this.#open(path)
    if (handle === null) return null
    try {
      const { size } = await handle.stat()
      return size > maxFileBytes ? { bytes: size } : await contentOf(handle, size)
    } finally {
      await handle.close()
    }
  }

  /** The hash of a file; null if the path leads to no file of the project, or to a larger one. A file that has not been touched since is not read again. */
  async hashOf(path: string): Promise<string | null> {
    const handle = await this.#open(path)
    if (handle === null) return null
    try {
      const { size, ino, mtimeNs, ctimeNs } = await handle.stat({ bigint: true })
      if (size > maxFileBytes) return null
      const fingerprint = `${ino} ${size} ${mtimeNs} ${ctimeNs}`
      const known = this.#hashes.get(path)
      if (known?.fingerprint === fingerprint) return known.hash
      const { hash } = await contentOf(handle, Number(size))
      if (this.#hashes.size >= maxKnown) this.#hashes.clear()
      this.#hashes.set(path, { fingerprint, hash })
      return hash
    } finally {
      await handle.close()
    }
  }

  async #open(path: string): Promise<FileHandle | null> {
    const root = await realpath(this.#within)
    const real = await realpath(path).catch(() => null)
    if (real === null || !real.startsWith(root.endsWith(sep) ? root : root + sep) || real.includes('/node_modules/') || isOwn(real)) return null
    // Without O_NONBLOCK, opening a pipe would wait for a writer.
    const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null)
    if (handle === null || (await handle.stat()).isFile()) return handle
    await handle.close()
    return null
  }
}

async function contentOf(handle: FileHandle, size: number): Promise<ProjectFile> {
  const bytes = Buffer.alloc(size)
  const { bytesRead } = await handle.read(bytes, 0, size, 0)
  const content = bytes.subarray(0, bytesRead)
  return { hash: createHash('sha256').update(content).digest('hex').slice(0, hashCharacters), text: content.toString() }
}

/** The most bytes of a file that is read. */
export const maxFileBytes = 4 * 1024 * 1024
/** Half of a SHA-256: 128 bits. */
const hashCharacters = 32
const maxKnown = 10_000
