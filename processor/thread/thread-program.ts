import type { Topology } from '../../topology/graph.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { GlobalStores } from '../state/global-stores.ts'

/**
 * The part of a topology that a stream thread runs: sub-topologies by consumer group. Two sub-topologies that read the same topic are in two groups,
 * so that each has its own positions.
 */
export interface ThreadProgram {
  readonly applicationId: string
  readonly topology: Topology
  readonly groups: readonly { readonly group: string; readonly topics: readonly string[]; readonly subtopologies: readonly Subtopology[] }[]
  readonly maxCachedEntries: number
  readonly globals: GlobalStores
}

type ProgramOptions = Pick<ThreadProgram, 'maxCachedEntries' | 'globals'>

/** Puts sub-topologies that share no topic under the application's own group. */
export function threadProgram(applicationId: string, topology: Topology, options: ProgramOptions): ThreadProgram {
  const subtopologies = topology.subtopologies().filter(({ isGlobal }) => !isGlobal)
  const readers = new Map<string, number>()
  for (const { sources } of subtopologies) for (const topic of sources) readers.set(topic, (readers.get(topic) ?? 0) + 1)
  const shared = subtopologies.filter(({ sources }) => sources.some((topic) => (readers.get(topic) ?? 0) > 1))
  const alone = subtopologies.filter((subtopology) => !shared.includes(subtopology))
  const groups = shared.map((subtopology) => ({
    group: `${applicationId}-${subtopology.nodes[0]?.name ?? subtopology.id}`,
    topics: subtopology.sources,
    subtopologies: [subtopology],
  }))
  if (alone.length > 0) groups.push({ group: applicationId, topics: alone.flatMap(({ sources }) => sources), subtopologies: alone })
  return { applicationId, topology, groups, ...options }
}

/**
 * The program of the thread that reads global stores, with one group for each store. Every process reads all topics of these stores. Null without
 * global stores.
 */
export function globalProgram(applicationId: string, topology: Topology, options: ProgramOptions): ThreadProgram | null {
  const subtopologies = topology.subtopologies().filter(({ isGlobal }) => isGlobal)
  const groups = subtopologies.map((subtopology) => ({
    group: `${applicationId}-${subtopology.nodes[0]?.name ?? subtopology.id}`,
    topics: subtopology.sources,
    subtopologies: [subtopology],
  }))
  return groups.length === 0 ? null : { applicationId, topology, groups, ...options }
}
