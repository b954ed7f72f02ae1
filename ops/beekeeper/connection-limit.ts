import { readFileSync } from 'node:fs'

/**
 * The default limit of connections: half of the files that this process may open, at least 16 and at most 5,000. The other half is for the log, the
 * stores and the bees.
 */
export function usualMaxConnections(limit: number | null = openFilesLimit()): number {
  return Math.max(16, Math.min(5000, Math.floor((limit ?? usualLimit) / 2)))
}

/** The soft limit from proc_pid_limits(5); null if this system has no such file or sets no limit. */
function openFilesLimit(): number | null {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}

const usualLimit = 1024
