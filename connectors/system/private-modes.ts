import { chmodSync, lstatSync, realpathSync, type Stats, statSync } from 'node:fs'
import { fileError } from './file-error.ts'
import { isOwnFile, openDirectoryAbove } from './file-owner.ts'

/** A place that only the user of this process should be able to read. */
export interface PrivatePlace {
  readonly path: string
  /** True: the place belongs to Waggle, which removes the rights of other users. False: the rights are only reported. */
  readonly isOwn: boolean
  /** True for a place that everybody may read, but only this user may change. Default: false. */
  readonly isPublic?: boolean
}

/**
 * Checks the rights of other users at these places, and the owners of the places and of the directories above, as ssh does. Returns a line for each
 * right that was found. Skips missing places, and does nothing on Windows. Follows a link at a place that a user named, because secrets of Kubernetes
 * are links. Does not change a link at a place of Waggle, because such a link is refused when the place is read.
 */
export function closePlaces(places: readonly PrivatePlace[]): readonly string[] {
  return process.platform === 'win32' ? [] : [...new Set(places.flatMap((place) => [...closePlace(place), ...foreignOwnerWarnings(place)]))]
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

/** Warnings about other users who can change a place because they own it, or can write to a directory above it. */
function foreignOwnerWarnings({ path, isOwn }: PrivatePlace): readonly string[] {
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

/** Null for a place that is missing or cannot be looked at. The code that uses such a place reports the reason. */
function statsOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

const others = 0o077
const writes = 0o022
