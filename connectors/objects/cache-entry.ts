import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ObjectListing } from '../../topology/swarm/ports/objects.ts'

/**
 * One version of a model on this disk. The layout below the cache's directory:
 *
 *     ADDRESS/                      the hash of an address
 *       lock                        held by the process that fetches this address
 *       VERSION/                    the hash of the tags of all its objects
 *         entry.json                the CacheEntry; its modification time is the time of the last use
 *         content/NAME              the file or the folder
 *       VERSION.partial/            the same layout, for an incomplete version
 */
export interface CacheEntry {
  readonly address: string
  readonly kind: ObjectListing['kind']
  /** The name below `content`. */
  readonly name: string
  readonly files: readonly { readonly path: string; readonly bytes: number }[]
  /** The bytes of all files together. */
  readonly bytes: number
  /** The SHA-256 of the file, in hexadecimal; null for a folder, and before the file is whole. */
  readonly sha256: string | null
  /** The time when the version was fetched, in epoch milliseconds. */
  readonly fetchedAt: number
  /** The id of the machine's last start before the files were written. After a later start, a part may be damaged. */
  readonly boot: string
}

/** A version that is stored in a directory. */
export interface StoredEntry extends CacheEntry {
  readonly directory: string
  readonly isPartial: boolean
  /** The time of the last use, in epoch milliseconds. */
  readonly usedAt: number
}

export function addressHash(address: string): string {
  return hashOf(address)
}

/** The name of a version. An object without a tag counts as a new version at each check. */
export function versionHash({ objects }: ObjectListing, now: number): string {
  return hashOf(JSON.stringify(objects.map(({ path, bytes, etag, versionId }) => [path, bytes, versionId, etag ?? now])))
}

/** The versions in the directory of one address, including incomplete versions. Other files in the directory are ignored. */
export async function entriesOf(addressDirectory: string): Promise<readonly StoredEntry[]> {
  const names = await readdir(addressDirectory).catch(() => [])
  const found = await Promise.all(names.filter((name) => /^[0-9a-f]+(\.partial)?$/.test(name)).map((name) => readEntry(join(addressDirectory, name))))
  return found.filter((entry) => entry !== null)
}

export async function readEntry(directory: string): Promise<StoredEntry | null> {
  const file = join(directory, 'entry.json')
  try {
    const [entry, { mtimeMs }] = await Promise.all([readFile(file, 'utf8').then(parseEntry), stat(file)])
    return entry === null ? null : { ...entry, directory, isPartial: directory.endsWith('.partial'), usedAt: mtimeMs }
  } catch {
    return null
  }
}

export async function writeEntry(directory: string, entry: CacheEntry): Promise<void> {
  const file = join(directory, 'entry.json')
  const { address, kind, name, files, bytes, sha256, fetchedAt, boot } = entry
  await writeFile(`${file}.next`, JSON.stringify({ address, kind, name, files, bytes, sha256, fetchedAt, boot }), { flush: true })
  await rename(`${file}.next`, file)
}

export async function touchEntry({ directory }: StoredEntry, now: number): Promise<void> {
  await utimes(join(directory, 'entry.json'), now / 1000, now / 1000)
}

/** The path of the model. */
export function contentOf({ directory, name }: StoredEntry): string {
  return join(directory, 'content', name)
}

/** The bytes of the version's files that are on this disk. */
export async function bytesHere({ directory, files }: Pick<StoredEntry, 'directory' | 'files'>): Promise<number> {
  const sizes = await Promise.all(files.map(({ path }) => stat(join(directory, 'content', path)).catch(() => null)))
  return files.reduce((sum, { bytes }, at) => sum + Math.min(bytes, sizes[at]?.size ?? 0), 0)
}

/** True if all files of the version exist with their full sizes. */
export async function isWhole({ directory, files }: StoredEntry): Promise<boolean> {
  const sizes = await Promise.all(files.map(({ path }) => stat(join(directory, 'content', path)).catch(() => null)))
  return files.every(({ bytes }, at) => sizes[at]?.isFile() === true && sizes[at].size === bytes)
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

/** Makes the names of the files in a directory durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Deletes the remains of deleted versions after a crash. */
export async function deleteLeftovers(addressDirectory: string): Promise<void> {
  const names = await readdir(addressDirectory)
  await Promise.all(names.filter((name) => name.endsWith('.gone')).map((name) => rm(join(addressDirectory, name), { recursive: true, force: true })))
}

/** Deletes a version. The version is first renamed, so that a crash leaves no incomplete version under the name. */
export async function deleteEntry(directory: string): Promise<void> {
  const gone = `${directory}.gone`
  await rm(gone, { recursive: true, force: true })
  await rename(directory, gone).catch(() => {})
  await rm(gone, { recursive: true, force: true })
}

function parseEntry(text: string): CacheEntry | null {
  const entry: Partial<CacheEntry> | null = JSON.parse(text)
  const { address, kind, name, files, bytes, sha256, fetchedAt, boot } = entry ?? {}
  const isEntry =
    typeof address === 'string' &&
    (kind === 'file' || kind === 'folder') &&
    typeof name === 'string' &&
    Array.isArray(files) &&
    files.every((file) => typeof file?.path === 'string' && typeof file.bytes === 'number') &&
    typeof bytes === 'number' &&
    (sha256 === null || typeof sha256 === 'string') &&
    typeof fetchedAt === 'number' &&
    typeof boot === 'string'
  return isEntry ? { address, kind, name, files, bytes, sha256, fetchedAt, boot } : null
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 40)
}
