import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Changes, SwarmDifference } from '../../topology/swarm/swarm-management.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'

type Version = Pick<RunningSwarm, 'plan' | 'planWithSteps' | 'topology'>

/** The effects of an edit on the parts of a plan. */
export type PlanDifference = Pick<SwarmDifference, 'bees' | 'gateways' | 'topics' | 'stores' | 'needs_accept'>

/** Compares two versions of a swarm: bees, gateways, topics and state. The state of a store is lost if no bee of the newer version has the store. */
export function differenceOf(older: Version, newer: Version): PlanDifference {
  const stores = changes(storesOf(older), storesOf(newer))
  const needs = [
    ...stores.removed
      .filter((name) => storesOf(older).get(name) !== transient)
      .map((name) => `the state ${name} is given up: no bee has it any more`),
    ...stores.changed.map((name) => `the state ${name} is of another kind, and cannot be read as it is`),
  ]
  return {
    bees: changes(beesOf(older), beesOf(newer)),
    gateways: changes(gatewaysOf(older), gatewaysOf(newer)),
    topics: changes(topicsOf(older), topicsOf(newer)),
    stores,
    needs_accept: needs,
  }
}

function changes(older: ReadonlyMap<string, unknown>, newer: ReadonlyMap<string, unknown>): Changes {
  return {
    added: [...newer.keys()].filter((name) => !older.has(name)),
    removed: [...older.keys()].filter((name) => !newer.has(name)),
    changed: [...newer].filter(([name, value]) => older.has(name) && older.get(name) !== value).map(([name]) => name),
  }
}

function beesOf({ plan }: Version): ReadonlyMap<string, string> {
  const shown = ({ type, input, spec, gpu, replicas, maxReplicas, timeoutMs, onTimeout, onError }: SwarmBee) =>
    JSON.stringify([type.type, input, spec, gpu, replicas, maxReplicas, timeoutMs, onTimeout, onError])
  return new Map(plan.bees.map((bee) => [bee.name, shown(bee)]))
}

function gatewaysOf({ plan }: Version): ReadonlyMap<string, string> {
  return new Map(plan.gateways.map(({ gateway, bee }) => [gateway, bee]))
}

/** The swarm's own topics with their settings, among them the internal topics of the steps inside bees of the DSL. */
function topicsOf({ planWithSteps }: Version): ReadonlyMap<string, string> {
  const own = planWithSteps.topics.filter(({ isForeign }) => !isForeign)
  return new Map(own.map(({ name, partitions, cleanup, retentionMs }) => [name, JSON.stringify([partitions, cleanup, retentionMs])]))
}

/**
 * The stores, with their kinds. Stores of joins, merges and deduplication are left out: they are empty when all requests are finished, or only save
 * work.
 */
function storesOf({ plan, topology }: Version): ReadonlyMap<string, string> {
  const passing = new Set(
    plan.subtopologies.flatMap(({ steps }) =>
      steps.flatMap((step) =>
        step.kind === 'join' || step.kind === 'merge' || step.kind === 'deduplicate' ? [step.store, `${step.store}-due`] : [],
      ),
    ),
  )
  return new Map(
    topology.subtopologies().flatMap(({ stores }) => stores.map((store) => [store.name, passing.has(store.name) ? transient : store.kind] as const)),
  )
}

const transient = 'transient'
