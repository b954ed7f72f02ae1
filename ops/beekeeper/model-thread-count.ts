import type { BeeRegistry } from '../../bees/registry.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'

export interface SwarmOfModels {
  readonly swarm: { readonly bees: readonly SwarmBee[] }
  readonly registry: BeeRegistry
}

/**
 * The number of threads that compute one run of a model together. The cores are shared equally by all models of this process and all of their
 * replicas, with at least one thread for each. With more threads, models would compete for cores. With fewer threads, cores would be idle.
 */
export function modelThreadCount(swarms: readonly SwarmOfModels[], cores: number): number {
  const models = swarms.flatMap(({ swarm, registry }) =>
    swarm.bees.map(({ type, spec, replicas, maxReplicas }) => {
      const atOnce = registry.find(type.type)?.definition.modelsAtOnce?.(spec as never) ?? 0
      return atOnce * Math.max(replicas, maxReplicas)
    }),
  )
  const all = models.reduce((sum, count) => sum + count, 0)
  return Math.max(1, Math.floor(cores / Math.max(1, all)))
}
