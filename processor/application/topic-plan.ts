import type { Topology } from '../../topology/graph.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { TopicSpec } from '../ports.ts'

/**
 * The internal topics of an application, with their partition counts. Some sub-topology with stores may read an internal topic without a declared
 * count together with topics of a known count. Then the internal topic takes the highest of these counts. Otherwise the internal topic gets as many
 * partitions as the sources of the sub-topologies that write the topic, as in Kafka Streams.
 */
export function internalTopics(
  topology: Topology,
  subtopologies: readonly Subtopology[],
  partitionsOf: (topic: string) => number,
): readonly TopicSpec[] {
  const counts = new Map<string, number>()
  for (const [topic, partitions] of topology.internalTopics) counts.set(topic, partitions ?? 1)
  const open = [...topology.internalTopics].flatMap(([topic, partitions]) => (partitions === null ? [topic] : []))
  const isFixed = (topic: string) => !open.includes(topic)
  const countOf = (topic: string) => counts.get(topic) ?? partitionsOf(topic)
  const wanted = (topic: string): number => {
    const meets = subtopologies.filter(({ sources, stores }) => stores.length > 0 && sources.includes(topic)).flatMap(({ sources }) => sources)
    const fixed = meets.filter(isFixed).map(countOf)
    if (fixed.length > 0) return Math.max(...fixed)
    const together = new Set([topic, ...meets])
    const feeding = subtopologies.filter(({ sinks }) => sinks.some((sink) => together.has(sink))).flatMap(({ sources }) => sources)
    return Math.max(1, ...feeding.map(countOf))
  }
  // The loop ends, because the counts only grow, and none exceeds the highest count of a source.
  for (let changed = true; changed; ) {
    changed = false
    for (const topic of open) {
      const count = wanted(topic)
      if (count <= (counts.get(topic) ?? 1)) continue
      counts.set(topic, count)
      changed = true
    }
  }
  return [...counts].map(([name, partitions]) => ({ name, partitions, cleanup: 'delete', retentionMs: null }))
}

/** Refuses sources that share a store and have different partition counts. A key must have the same partition number in each of these sources. */
export function refuseUnevenSources(subtopologies: readonly Subtopology[], partitionsOf: (topic: string) => number): void {
  for (const { sources, stores, isGlobal } of subtopologies) {
    if (isGlobal || stores.length === 0) continue
    const counts = new Set(sources.map(partitionsOf))
    if (counts.size <= 1) continue
    throw new WaggleError('WAGGLE_NOT_COPARTITIONED', {
      message: `Topics that are read into one store must have the same number of partitions: ${sources.map((topic) => `${topic} has ${partitionsOf(topic)}`).join(', ')}`,
      next: 'Give these topics the same number of partitions, or repartition one of the streams.',
    })
  }
}
