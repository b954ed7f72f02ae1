import { type Stats, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/**
 * True if an owner may decide what a file of this process holds: this user, root, or the owner of the file's directory, who could put another file in its
 * place anyway. On Windows files have no such owners.
 */
export function isTrustedOwner(
  owner: number,
  { user = currentUser(), directoryOwner }: { readonly user?: number | null; readonly directoryOwner: number },
): boolean {
  return user === null || owner === user || owner === root || owner === directoryOwner
}

/** True if the file with these stats belongs to a trusted owner. */
export function isOwnFile(path: string, { uid }: Stats): boolean {
  return isTrustedOwner(uid, { directoryOwner: statSync(dirname(resolve(path))).uid })
}

/**
 * The first directory above a path in which another user may replace the path, and the reason; null if there is none. In a directory with the sticky bit,
 * such as /tmp, users can replace only their own files.
 */
export function openDirectoryAbove(path: string): { readonly directory: string; readonly why: string } | null {
  const user = currentUser()
  if (user === null) return null
  for (let directory = dirname(resolve(path)), last = ''; directory !== last; last = directory, directory = join(directory, '..')) {
    const { mode, uid } = statSync(directory)
    if (uid !== user && uid !== root) return { directory, why: `belongs to another user (uid ${uid})` }
    if ((mode & othersWrite) !== 0 && (mode & sticky) === 0)
      return { directory, why: `may be changed by every user (mode ${(mode & 0o777).toString(8)})` }
  }
  return null
}

/** The user whose rights this process has; null on Windows. */
function currentUser(): number | null {
  return process.geteuid?.() ?? null
}

const root = 0
const othersWrite = 0o002
const sticky = 0o1000
