import { statfsSync } from 'node:fs'

export interface DiskSpace {
  readonly size: number
  /** The bytes that this user may still write. */
  readonly free: number
}

/** The space of the disk that has a directory. */
export function diskOf(directory: string): DiskSpace {
  const { blocks, bsize, bavail } = statfsSync(directory)
  return { size: blocks * bsize, free: bavail * bsize }
}

/** A number of bytes for people. */
export function shownBytes(bytes: number): string {
  return bytes >= 10 * 1024 ** 3 ? `${Math.round(bytes / 1024 ** 3)} GiB` : `${Math.round(bytes / 1024 ** 2)} MiB`
}
