import { chmodSync, lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { fileError } from './file-error.ts'
import { isOwnFile, openDirectoryAbove } from './file-owner.ts'

/** A place that only the user of this process should be able to read. */
export interface PrivatePlace {
  readonly path: string
  /** True: the place belongs to Waggle, which removes the rights of other users. False: the rights are only reported. */
  readonly isOwn: boolean
  /** True for a place that everybody may read, and only this user may change. Default: false. */
  readonly isPublic?: boolean
}

/**
 * Looks at the rights of other users at these places, and at the owners of the places and of the directories above, as ssh does. Returns a line for each
 * right that was there. A missing place is skipped, and so is all of Windows. A link to a place that a user named is followed, as secrets of Kubernetes are
 * links; a link in a place of Waggle is left alone, because it is refused when it is read.
 */
export function closePlaces(places: readonly PrivatePlace[]): readonly string[] {
  return process.platform === 'win32' ? [] : [...new Set(places.flatMap((place) => [...closePlace(place), ...foreignOwners(place)]))]
}

function closePlace({ path, isOwn, isPublic = false }: PrivatePlace): readonly string[] {
  const stats = isOwn ? linkStatsOf(path) : statsOf(path)
  if (stats === null || stats.isSymbolicLink() || (stats.mode & (isPublic ? writes : others)) === 0) return []
  const mode = (stats.mode & 0o777).toString(8)
  const wanted = stats.isDirectory() ? 0o700 : 0o600
  const said = `other users of this machine may ${(stats.mode & writes) === 0 ? 'read' : 'change'} ${path} (mode ${mode})`
  if (!isOwn) return [`${said}: chmod ${isPublic ? 'go-w' : wanted.toString(8)} ${path}`]
  try {
    chmodSync(path, wanted)
    return [`${said}; it has mode ${wanted.toString(8)} now`]
  } catch (thrown) {
    const { message } = fileError(thrown) ?? (thrown as Error)
    return [`${said}, and that cannot be changed: ${message}`]
  }
}

/** The users who may change a place because it, or a directory above it, is theirs. */
function foreignOwners({ path, isOwn }: PrivatePlace): readonly string[] {
  const stats = isOwn ? null : statsOf(path)
  if (stats === null) return []
  const real = realpathSync(path)
  if (!isOwnFile(real, stats))
    return [`${path} belongs to another user of this machine (uid ${stats.uid}), who may change it: chown ${process.geteuid?.()} ${real}`]
  const open = openDirectoryAbove(path) ?? openDirectoryAbove(real)
  return open === null ? [] : [`${open.directory} ${open.why}, who may replace ${path}: keep it in a directory of this user`]
}

function linkStatsOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

/** Null for a place that is missing or cannot be looked at. The code that uses such a place names the reason. */
function statsOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

const others = 0o077
const writes = 0o022
