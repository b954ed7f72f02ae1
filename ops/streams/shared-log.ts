import { resolve } from 'node:path'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

interface Shared {
  readonly log: Promise<EmbeddedLog>
  users: number
}

const open = new Map<string, Shared>()
/** The logs that are still closing, by directory. A directory can be opened only after its log is closed. */
const closing = new Map<string, Promise<void>>()

/**
 * The embedded log of a directory. The first application of this process that needs the log opens it. The last application that uses the log closes
 * it.
 */
export async function shareEmbeddedLog(directory: string): Promise<{ readonly log: EmbeddedLog; close(): Promise<void> }> {
  const place = resolve(directory)
  const shared = open.get(place) ?? { log: openLog(place, closing.get(place)), users: 0 }
  open.set(place, shared)
  shared.users++
  const letGo = async () => {
    if (--shared.users > 0) return
    open.delete(place)
    const closed = shared.log
      .then((log) => log.close())
      .finally(() => {
        if (closing.get(place) === closed) closing.delete(place)
      })
    closing.set(place, closed)
    await closed
  }
  try {
    return { log: await shared.log, close: letGo }
  } catch (error) {
    if (open.get(place) === shared) open.delete(place)
    throw error
  }
}

/**
 * Opens a log after an earlier log of the directory has closed. The database is loaded only here, because a program that only builds topologies does
 * not need it.
 */
async function openLog(directory: string, closed: Promise<void> | undefined): Promise<EmbeddedLog> {
  // The caller of `close` gets an error of closing, so the error is ignored here.
  await closed?.catch(() => {})
  const { openEmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  return openEmbeddedLog({ directory, clock: systemClock })
}
