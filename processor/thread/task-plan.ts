import type { Topology } from '../../topology/graph.ts'
import type { Subtopology } from '../../topology/subtopology.ts'
import type { GlobalStores } from '../state/global-stores.ts'

/** Sub-topologies by the consumer group that they run under. Two sub-topologies that read one topic need positions of their own. */
export interface TaskPlan {
  readonly applicationId: string
  readonly topology: Topology
  readonly groups: readonly { readonly group: string; readonly topics: readonly string[]; readonly subtopologies: readonly Subtopology[] }[]
  readonly maxCachedEntries: number
  readonly globals: GlobalStores
}

type PlanOptions = Pick<TaskPlan, 'maxCachedEntries' | 'globals'>

export function planTasks(applicationId: string, topology: Topology, options: PlanOptions): TaskPlan {
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

/** The plan of the global stores, a group each: every process reads all of their topics. Null where there are none. */
export function planGlobals(applicationId: string, topology: Topology, options: PlanOptions): TaskPlan | null {
  const subtopologies = topology.subtopologies().filter(({ isGlobal }) => isGlobal)
  const groups = subtopologies.map((subtopology) => ({
    group: `${applicationId}-${subtopology.nodes[0]?.name ?? subtopology.id}`,
    topics: subtopology.sources,
    subtopologies: [subtopology],
  }))
  return groups.length === 0 ? null : { applicationId, topology, groups, ...options }
}
