import { readdirSync, statSync } from 'node:fs'

/**
 * True for a directory without files, and for a path that does not exist. `lost+found`, which every new file system has, does not count as a file.
 */
export function isEmptyDirectory(path: string, except: readonly string[] = []): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return true
  return stat.isDirectory() && readdirSync(path).every((name) => name === lostAndFound || except.includes(name))
}

/** The directory for files that `fsck` has found. Only root may read this directory. */
export const lostAndFound = 'lost+found'
