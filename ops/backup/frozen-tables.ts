import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { take } from '../../connectors/log/embedded/log-snapshot.ts'

/**
 * Links the files of an embedded ClickHouse into a second directory, while ClickHouse runs. Parts of tables never change. The logs of insert tokens
 * grow, and are copied first. A copied token without its part would make ClickHouse drop rows that are written again. The log is copied later, so
 * rows that are missing in this copy are written again from the log.
 */
export function freezeTables(directory: string, into: string): void {
  for (let tries = 1; ; tries++) {
    rmSync(into, { recursive: true, force: true })
    try {
      const files = filesIn(directory, '')
      for (const isFirst of [true, false]) {
        for (const file of files.filter((path) => growing.test(path) === isFirst)) {
          mkdirSync(dirname(join(into, file)), { recursive: true })
          if (isFirst) copyFileSync(join(directory, file), join(into, file))
          else take(join(directory, file), join(into, file))
        }
      }
      return
    } catch (error) {
      // ClickHouse has merged a part, or renamed a part that it has written.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || tries === maxTries || !existsSync(directory)) throw error
    }
  }
}

/** The files below a directory, without parts that ClickHouse is still writing. */
function filesIn(directory: string, below: string): readonly string[] {
  return readdirSync(join(directory, below), { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name)
    if (entry.isDirectory()) return entry.name.startsWith('tmp') || entry.name.startsWith('delete_tmp') ? [] : filesIn(directory, path)
    return entry.isFile() ? [path] : []
  })
}

const growing = /(^|\/)deduplication_logs\//
const maxTries = 50
