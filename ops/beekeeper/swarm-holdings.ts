import type { BeeRegistry } from '../../bees/registry.ts'
import type { ApplicationHoldings } from '../../connectors/log/kafka/kafka-admin.ts'
import { changelogTopics } from '../../processor/state/changelog-topics.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import { globalProgram, threadProgram } from '../../processor/thread/thread-program.ts'
import type { Topology } from '../../topology/graph.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { noReplyTopics } from '../../topology/swarm/request/reply-topics.ts'

/** The topics and groups of a swarm on a cluster. */
export interface SwarmHoldings extends ApplicationHoldings {
  /** The topics of the swarm's gateways. A reset keeps these topics. After a reset, the swarm reads them from their beginning. */
  readonly entrances: readonly string[]
  /** Bees with DSL steps. Their steps may have further topics and groups, because `topics` and `groups` do not include the steps. */
  readonly stepBees: readonly string[]
}

/**
 * The topics and groups that a swarm has on a cluster. They come from the swarm's plan, so no topic or group of another swarm is among them.
 * `running`: the topology of the running swarm, with the steps of its DSL bees. Without `running`, each DSL bee counts as one step and is listed in
 * `stepBees`.
 */
export function holdingsOf(
  plan: SwarmPlan,
  { running = null, stepBees = [] }: { readonly running?: Topology | null; readonly stepBees?: readonly string[] } = {},
): SwarmHoldings {
  const topology = running ?? topologyOf(plan)
  const options = { maxCachedEntries: 0, globals: new GlobalStores() }
  const programs = [threadProgram(plan.applicationId, topology, options), globalProgram(plan.applicationId, topology, options)]
  const entrances = plan.gateways.map(({ topic }) => topic)
  const own = plan.topics.flatMap(({ name, isForeign }) => (isForeign || entrances.includes(name) ? [] : [name]))
  const changelogs = changelogTopics(plan.applicationId, topology.subtopologies(), () => 1).map(({ name }) => name)
  return {
    topics: [...new Set([...own, ...topology.internalTopics.keys(), ...changelogs])],
    groups: programs.flatMap((program) => program?.groups.map(({ group }) => group) ?? []),
    entrances,
    stepBees,
  }
}

/** The groups of a swarm on a cluster, with the topics that they read. */
export function readersOf(plan: SwarmPlan): readonly { readonly group: string; readonly topics: readonly string[] }[] {
  return threadProgram(plan.applicationId, topologyOf(plan), { maxCachedEntries: 0, globals: new GlobalStores() }).groups
}

/** The topology of a swarm on a cluster, for inspection only. Each DSL bee of the swarm counts as one step. */
export function topologyOf(plan: SwarmPlan): Topology {
  return swarmTopology(plan, nobody, { answersRetentionMs: 1, duplicateRetentionMs: 1, predictions: null, replyTopics: noReplyTopics })
}

/** Bees that consist of DSL steps, or that may consist of them. */
export function stepBeesOf(bees: readonly SwarmBee[], registry: BeeRegistry): readonly string[] {
  return bees.filter(({ type }) => type.role === 'stream' || registry.hasOpenRole(type.type)).map(({ name }) => name)
}

/** A host for a topology that is only inspected. */
const nobody: BeeHost = {
  open: () => Promise.reject(new Error('It is only looked at')),
  valueOf: () => (payload) => ({ payload, readers: null }),
  streamOf: () => ({ connect: (input) => input, inputOf: (payload) => payload, payloadOf: () => ({ kind: 'json', json: null }) }),
  batchOf: () => null,
}
