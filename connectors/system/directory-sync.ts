import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Makes the names in a directory durable: a file that was created, renamed or deleted in the directory stays so after a power failure. */
export function syncDirectory(directory: string): void {
  const descriptor = openSync(directory, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

/** Makes the names in a directory and in all directories below it durable, like `syncDirectory`. */
export function syncDirectories(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) syncDirectories(join(directory, entry.name))
  syncDirectory(directory)
}
