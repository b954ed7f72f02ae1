import type { Log } from '../../processor/ports.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { threadProgram } from '../../processor/thread/thread-program.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'

/**
 * Lets the newer version of a swarm read on where the older one has stopped. A group of the newer one that is new takes the older one's position in
 * its topic, or the topic's end: else it would do all requests again that the log still has. Groups that are gone keep no record any more. Only the
 * embedded log needs this, while neither version runs.
 */
export async function movePositions(log: Log, older: RunningSwarm, newer: RunningSwarm): Promise<void> {
  const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  if (!(log instanceof EmbeddedLog)) return
  const [before, after] = [groupsOf(older), groupsOf(newer)]
  const foreign = foreignTopics(newer)
  for (const { group, topics } of after) {
    for (const topic of topics) {
      const readers = before.filter((one) => one.topics.includes(topic)).map((one) => one.group)
      if (readers.includes(group)) continue
      for (const [partition, { end, written }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
        const positions = readers.flatMap((reader) => log.position(reader, topic, partition)?.offset ?? [])
        if (positions.length > 0) await log.rewind(group, { topic, partition, offset: Math.min(...positions) })
        // A reader without a position has read nothing, so nothing may be left out.
        else if (readers.length === 0 && !foreign.has(topic)) await log.rewind(group, { topic, partition, offset: written ?? end })
      }
    }
  }
  for (const { group } of before) if (!after.some((one) => one.group === group)) await log.forgetPositions(group)
}

/**
 * Lets a swarm that is created begin with the requests that come from then on. Its gateways' topics may have the requests of a swarm that was removed.
 * Groups that have been there go on where they were. Only the embedded log needs this, before the swarm reads.
 */
export async function beginNow(log: Log, created: RunningSwarm): Promise<void> {
  const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  if (!(log instanceof EmbeddedLog)) return
  const foreign = foreignTopics(created)
  for (const { group, topics } of groupsOf(created)) {
    for (const topic of topics) {
      const offsets = (await log.topic(topic))?.offsets ?? []
      if (foreign.has(topic) || offsets.some((_, partition) => log.position(group, topic, partition) !== null)) continue
      for (const [partition, { end, written }] of offsets.entries()) await log.rewind(group, { topic, partition, offset: written ?? end })
    }
  }
}

/** Topics of others, who may have written to them before the swarm came. */
function foreignTopics({ plan }: RunningSwarm): ReadonlySet<string> {
  return new Set(plan.topics.flatMap(({ name, isForeign }) => (isForeign ? [name] : [])))
}

function groupsOf({ plan, topology }: RunningSwarm): readonly { readonly group: string; readonly topics: readonly string[] }[] {
  return threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() }).groups
}
