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
  const external = new Set([
    ...newer.plan.gateways.map(({ topic }) => topic),
    ...newer.plan.topics.flatMap((one) => (one.isForeign ? [one.name] : [])),
  ])
  for (const { group, topics } of after) {
    for (const topic of topics) {
      const readers = before.filter((one) => one.topics.includes(topic)).map((one) => one.group)
      if (readers.includes(group)) continue
      for (const [partition, { end, written }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
        const positions = readers.flatMap((reader) => log.position(reader, topic, partition)?.offset ?? [])
        if (positions.length > 0) await log.rewind(group, { topic, partition, offset: Math.min(...positions) })
        else if (!external.has(topic)) await log.rewind(group, { topic, partition, offset: written ?? end })
      }
    }
  }
  for (const { group } of before) if (!after.some((one) => one.group === group)) await log.forgetPositions(group)
}

function groupsOf({ plan, topology }: RunningSwarm): readonly { readonly group: string; readonly topics: readonly string[] }[] {
  return threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() }).groups
}
