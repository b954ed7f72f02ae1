import type { BeeRegistry } from '../../bees/registry.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'

export interface SwarmOfModels {
  readonly swarm: { readonly bees: readonly SwarmBee[] }
  readonly registry: BeeRegistry
}

/**
 * The number of threads that compute one run of a model together: an equal part of the cores for each model of this process and each of its replicas, at least one. Models that
 * wait for each other's cores would serve fewer requests, and a model that is alone would leave cores idle.
 */
export function modelThreads(swarms: readonly SwarmOfModels[], cores: number): number {
  const models = swarms.flatMap(({ swarm, registry }) =>
    swarm.bees.map(({ type, spec, replicas, maxReplicas }) => {
      const atOnce = registry.find(type.type)?.definition.modelsAtOnce?.(spec as never) ?? 0
      return atOnce * Math.max(replicas, maxReplicas)
    }),
  )
  const all = models.reduce((sum, count) => sum + count, 0)
  return Math.max(1, Math.floor(cores / Math.max(1, all)))
}
