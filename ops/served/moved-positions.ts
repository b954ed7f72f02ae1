import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import type { Log, Position, TopicPartition } from '../../processor/ports.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import { programOf } from './cluster-change.ts'

/**
 * Makes the newer version of a swarm continue where the older version has stopped. A group that only the newer version has gets the older version's
 * position in its topic, or the topic's end. Otherwise the group would process all requests again that are still in the log. On the embedded log, the
 * positions of groups that only the older version has are deleted, so that no records are kept for them. Neither version may run. `groups`: the
 * groups of the cluster, for the server that leads the change; null for any other server.
 */
export async function movePositions(log: Log, older: RunningSwarm, newer: RunningSwarm, groups: KafkaGroups | null): Promise<void> {
  if (groups !== null) return moveOnCluster(log, older, newer, groups)
  const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  if (!(log instanceof EmbeddedLog)) return
  const [before, after] = [programOf(older), programOf(newer)]
  const foreign = foreignTopics(newer)
  for (const { group, topics } of after) {
    for (const topic of topics) {
      const readers = before.filter((one) => one.topics.includes(topic)).map((one) => one.group)
      if (readers.includes(group)) continue
      for (const [partition, { end, written }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
        const positions = readers.flatMap((reader) => log.position(reader, topic, partition)?.offset ?? [])
        if (positions.length > 0) await log.rewind(group, { topic, partition, offset: Math.min(...positions) })
        // Readers without a position have read nothing, so nothing may be left out.
        else if (readers.length === 0 && !foreign.has(topic)) await log.rewind(group, { topic, partition, offset: written ?? end })
      }
    }
  }
  for (const { group } of before) if (!after.some((one) => one.group === group)) await log.forgetPositions(group)
}

/**
 * Makes a new swarm begin with requests that arrive from now on, because the topics of its gateways may contain requests of a removed swarm. Groups
 * with a position continue at that position. `groups`: the groups of the cluster, for the server that creates the swarm; null for any other server.
 */
export async function beginNow(log: Log, created: RunningSwarm, groups: KafkaGroups | null): Promise<void> {
  if (groups !== null) return beginOnCluster(log, created, groups)
  const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  if (!(log instanceof EmbeddedLog)) return
  const foreign = foreignTopics(created)
  for (const { group, topics } of programOf(created)) {
    for (const topic of topics) {
      const offsets = (await log.topic(topic))?.offsets ?? []
      if (foreign.has(topic) || offsets.some((_, partition) => log.position(group, topic, partition) !== null)) continue
      for (const [partition, { end, written }] of offsets.entries()) await log.rewind(group, { topic, partition, offset: written ?? end })
    }
  }
}

async function moveOnCluster(log: Log, older: RunningSwarm, newer: RunningSwarm, groups: KafkaGroups): Promise<void> {
  const [before, after] = [programOf(older), programOf(newer)]
  const foreign = foreignTopics(newer)
  const known = new Map(await Promise.all(before.map(async ({ group }) => [group, await groups.positions(group)] as const)))
  for (const { group, topics } of after) {
    const places: (TopicPartition & Position)[] = []
    for (const topic of topics) {
      const readers = before.filter((one) => one.topics.includes(topic)).map((one) => one.group)
      if (readers.includes(group)) continue
      for (const [partition, { end, written }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
        const read = readers.flatMap((reader) => known.get(reader)?.find((one) => one.topic === topic && one.partition === partition)?.offset ?? [])
        if (read.length > 0) places.push({ topic, partition, offset: Math.min(...read), metadata: '' })
        else if (readers.length === 0 && !foreign.has(topic)) places.push({ topic, partition, offset: written ?? end, metadata: '' })
      }
    }
    await log.setPositions?.(group, places)
  }
}

async function beginOnCluster(log: Log, created: RunningSwarm, groups: KafkaGroups): Promise<void> {
  const foreign = foreignTopics(created)
  for (const { group, topics } of programOf(created)) {
    const known = new Set((await groups.positions(group)).map(({ topic }) => topic))
    const places: (TopicPartition & Position)[] = []
    for (const topic of topics.filter((one) => !foreign.has(one) && !known.has(one))) {
      const offsets = (await log.topic(topic))?.offsets ?? []
      for (const [partition, { end, written }] of offsets.entries()) places.push({ topic, partition, offset: written ?? end, metadata: '' })
    }
    await log.setPositions?.(group, places)
  }
}

/** Topics of other applications, which may have written to them before the swarm existed. */
function foreignTopics({ plan }: RunningSwarm): ReadonlySet<string> {
  return new Set(plan.topics.flatMap(({ name, isForeign }) => (isForeign ? [name] : [])))
}
