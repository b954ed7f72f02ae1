import type { KeptStore } from '../../topology/state-store.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import type { TopicPartition, TopicSpec } from '../ports.ts'
import { isLogged } from './task-store.ts'

/** The topic partition from which one store of one task can be restored. */
export interface StoreChangelog {
  readonly store: KeptStore
  readonly place: TopicPartition
  /** True for a source topic that replaces the changelog. Such a topic is read up to the task's position, and commits do not write to it. */
  readonly isSource: boolean
  /** The topic's id, as stored with the rows. */
  readonly topicId?: string | null
}

export function changelogsOf(applicationId: string, { stores }: Subtopology, partition: number): readonly StoreChangelog[] {
  return stores.flatMap((store): StoreChangelog[] => {
    if (store.kind === 'custom' || store.logging === false) return []
    const { sourceTopic } = store
    const topic = sourceTopic ?? changelogTopic(applicationId, store.name)
    return [{ store, place: { topic, partition }, isSource: sourceTopic !== undefined }]
  })
}

/**
 * Changelog topics as Kafka Streams creates them: compacted, with one partition for each task. For windows, records past retention are deleted too.
 */
export function changelogTopics(
  applicationId: string,
  subtopologies: readonly Subtopology[],
  partitionsOf: (topic: string) => number,
): readonly TopicSpec[] {
  return subtopologies.flatMap(({ sources, stores, isGlobal }) => {
    if (isGlobal) return []
    const partitions = Math.max(...sources.map(partitionsOf))
    const logged = stores.filter((store): store is KeptStore => store.kind !== 'custom' && isLogged(store))
    return logged.map((store) => changelogSpec(changelogTopic(applicationId, store.name), partitions, store))
  })
}

function changelogSpec(name: string, partitions: number, { kind, retentionMs, logging }: KeptStore): TopicSpec {
  const given = typeof logging === 'object' ? logging : {}
  const isWindowed = (kind === 'window' || kind === 'session') && retentionMs !== null
  const lag: { readonly [setting: string]: string } =
    kind === 'versioned' && retentionMs !== null ? { 'min.compaction.lag.ms': String(retentionMs + additionalMs) } : {}
  return {
    name,
    partitions,
    cleanup: cleanupOf(given['cleanup.policy']) ?? (isWindowed ? 'compact,delete' : 'compact'),
    retentionMs: isWindowed ? retentionMs + additionalMs : null,
    settings: { 'message.timestamp.type': 'CreateTime', ...lag },
    asked: given,
    ...(isWindowed ? { leastRetentionMs: retentionMs } : {}),
  }
}

function cleanupOf(policy: string | undefined): TopicSpec['cleanup'] | null {
  const parts = policy?.split(',').map((part) => part.trim()) ?? []
  if (parts.includes('compact')) return parts.includes('delete') ? 'compact,delete' : 'compact'
  return parts.includes('delete') ? 'delete' : null
}

/**
 * Kafka Streams' default for `windowstore.changelog.additional.retention.ms`. This time is added to the retention, because the clocks of hosts
 * differ.
 */
const additionalMs = 24 * 60 * 60 * 1000
