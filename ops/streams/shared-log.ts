import { resolve } from 'node:path'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'

interface Shared {
  readonly log: Promise<EmbeddedLog>
  users: number
}

const open = new Map<string, Shared>()

/** The embedded log of a directory: opened by the first application of this process that wants it, closed by the last. */
export async function shareEmbeddedLog(directory: string): Promise<{ readonly log: EmbeddedLog; close(): Promise<void> }> {
  const place = resolve(directory)
  const shared = open.get(place) ?? { log: openLog(place), users: 0 }
  open.set(place, shared)
  shared.users++
  const letGo = async () => {
    if (--shared.users > 0) return
    open.delete(place)
    await (await shared.log).close()
  }
  try {
    return { log: await shared.log, close: letGo }
  } catch (error) {
    open.delete(place)
    throw error
  }
}

/** Loaded when it is wanted: a program that only builds topologies needs no database. */
async function openLog(directory: string): Promise<EmbeddedLog> {
  const { openEmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  return openEmbeddedLog({ directory, clock: systemClock })
}
