import { chmodSync, type Stats, statSync } from 'node:fs'
import { fileError } from './file-error.ts'

/** A place that only the user of this process should be able to read. */
export interface PrivatePlace {
  readonly path: string
  /** True: the place belongs to Waggle, which removes the rights of other users. False: the rights are only reported. */
  readonly isOwn: boolean
}

/**
 * Checks the rights of other users at these places, and returns a line for each place where others had rights. A missing place is skipped. On Windows
 * all places are skipped.
 */
export function closePlaces(places: readonly PrivatePlace[]): readonly string[] {
  return process.platform === 'win32' ? [] : places.flatMap((place) => closePlace(place))
}

function closePlace({ path, isOwn }: PrivatePlace): readonly string[] {
  const stats = statsOf(path)
  if (stats === null || (stats.mode & others) === 0) return []
  const mode = (stats.mode & 0o777).toString(8)
  const wanted = stats.isDirectory() ? 0o700 : 0o600
  const said = `other users of this machine may ${(stats.mode & writes) === 0 ? 'read' : 'change'} ${path} (mode ${mode})`
  if (!isOwn) return [`${said}: chmod ${wanted.toString(8)} ${path}`]
  try {
    chmodSync(path, wanted)
    return [`${said}; it has mode ${wanted.toString(8)} now`]
  } catch (thrown) {
    const { message } = fileError(thrown) ?? (thrown as Error)
    return [`${said}, and that cannot be changed: ${message}`]
  }
}

/** The stats of a path; null for a path that is missing or cannot be read. The code that uses the path later reports the reason. */
function statsOf(path: string): Stats | null {
  try {
    return statSync(path)
  } catch {
    return null
  }
}

const others = 0o077
const writes = 0o022
