import type { ApplicationParts } from '../../connectors/log/kafka/kafka-admin.ts'
import { changelogTopics } from '../../processor/state/changelog-topics.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import { threadProgram } from '../../processor/thread/thread-program.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { noReplyTopics } from '../../topology/swarm/request/reply-topics.ts'

export interface SwarmParts extends ApplicationParts {
  /** The topics of the swarm's gateways. A reset keeps these topics, and the swarm then reads them from their beginning. */
  readonly entrances: readonly string[]
  /** The groups with the topics that they read. */
  readonly readers: readonly { readonly group: string; readonly topics: readonly string[] }[]
}

/** The topics and groups that a swarm has on a cluster. They come from the swarm's plan, so no topic or group of another swarm is among them. */
export function partsOf(plan: SwarmPlan): SwarmParts {
  const topology = topologyOf(plan)
  const { groups } = threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() })
  const entrances = plan.gateways.map(({ topic }) => topic)
  const own = plan.topics.flatMap(({ name, isForeign }) => (isForeign || entrances.includes(name) ? [] : [name]))
  const changelogs = changelogTopics(plan.applicationId, topology.subtopologies(), () => 1).map(({ name }) => name)
  return { topics: [...own, ...changelogs], groups: groups.map(({ group }) => group), entrances, readers: groups }
}

/** The topology of a swarm on a cluster, which is only inspected. What its stream bees add is not in it. */
export function topologyOf(plan: SwarmPlan): ReturnType<typeof swarmTopology> {
  return swarmTopology(plan, nobody, { answersRetentionMs: 1, duplicateRetentionMs: 1, predictions: null, replyTopics: noReplyTopics })
}

/** A host for a topology that is only inspected. */
const nobody: BeeHost = {
  open: () => Promise.reject(new Error('It is only looked at')),
  valueOf: () => (payload) => ({ payload, readers: null }),
  streamOf: () => ({ connect: (input) => input, inputOf: (payload) => payload, payloadOf: () => ({ kind: 'json', json: null }) }),
  batchOf: () => null,
}
