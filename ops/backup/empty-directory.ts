import { readdirSync, statSync } from 'node:fs'

/** True for a directory without files, and for a path that does not exist. A new file system has `lost+found`, which is not a file of anybody. */
export function isEmptyDirectory(path: string, except: readonly string[] = []): boolean {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return true
  return stat.isDirectory() && readdirSync(path).every((name) => name === lostAndFound || except.includes(name))
}

/** Files that `fsck` has found. Only root may read the directory. */
export const lostAndFound = 'lost+found'
