import type { Clock, Log, PartitionOffsets, TopicPartition } from '../../processor/ports.ts'
import { ledgerStore } from '../../topology/swarm/plan/plan.ts'
import { deadLetterTopic } from '../../topology/topic-names.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'

/**
 * Waits until a swarm has finished all of its requests. Returns the topics with unread records after `withinMs`, or an empty list if all requests are
 * finished. Sub-topologies that only save or pass on results are not waited for, because no answer depends on them.
 */
export async function finishRequests(
  swarm: RunningSwarm,
  { log, clock, withinMs }: { readonly log: Log; readonly clock: Clock; readonly withinMs: number },
): Promise<readonly string[]> {
  const { application, plan } = swarm
  const answering = answeringIds(swarm)
  const foreign = new Set(plan.topics.filter(({ isForeign }) => isForeign).map(({ name }) => name))
  const end = clock.elapsedMs() + withinMs
  for (let before: string | null = null; ; ) {
    const { unread, ends } = await look()
    // A record may have moved after it was checked, so the check counts only if nothing was written between two checks.
    if (unread.length === 0 && ends === before) return []
    before = unread.length === 0 ? ends : null
    if (clock.elapsedMs() >= end) return unread.length === 0 ? [] : unread
    await new Promise<void>((settle) => void clock.after(betweenLooksMs, settle))
  }

  async function look(): Promise<{ readonly unread: readonly string[]; readonly ends: string }> {
    const unread = new Set<string>()
    const ends = new Map<string, readonly PartitionOffsets[]>()
    for (const { id, inputs, committedOf } of application.threads.tasks.map((task) => ({
      id: Number(task.id.split('_', 1)[0]),
      inputs: task.inputs,
      committedOf: (topic: string, partition: number) => task.committedOf(topic, partition),
    }))) {
      if (!answering.has(id)) continue
      for (const { topic, partition } of inputs) {
        if (foreign.has(topic)) continue
        const offsets = ends.get(topic) ?? (await log.topic(topic))?.offsets ?? []
        ends.set(topic, offsets)
        const place = { topic, partition, ...(offsets[partition] ?? { start: 0, end: 0 }) }
        if (await hasRecord(log, place, Math.max(0, committedOf(topic, partition)))) unread.add(topic)
      }
    }
    return { unread: [...unread], ends: JSON.stringify([...ends]) }
  }
}

/** True if a partition has a record at or after an offset, even an uncommitted record. On Kafka, transaction markers take offsets too. */
export async function hasRecord(
  log: Log,
  { topic, partition, start, end, written = end }: TopicPartition & PartitionOffsets,
  from: number,
): Promise<boolean> {
  if (from >= written) return false
  if (log.state !== null || written > end) return true
  const read = log.read({ topic, partition, from: Math.max(start, from), to: end, skipsLargeValues: true })
  for await (const { records } of read) if (records.length > 0) return true
  return false
}

/** The ids of the sub-topologies on which an answer depends. */
export function answeringIds({ topology, plan }: Pick<RunningSwarm, 'topology' | 'plan'>): ReadonlySet<number> {
  return new Set(
    topology
      .subtopologies()
      .filter(({ sinks, stores }) => stores.some(({ name }) => name === ledgerStore) || sinks.some((topic) => topic !== deadLetterTopic(plan.swarm)))
      .map(({ id }) => id),
  )
}

const betweenLooksMs = 10
