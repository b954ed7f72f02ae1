import type { BeeRegistry } from '../../bees/registry.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'

/**
 * The number of threads that compute one run of a model together: an equal part of the cores for each model of this process and each of its replicas, at least one. Models that
 * wait for each other's cores would serve fewer requests, and a model that is alone would leave cores idle.
 */
export function modelThreads(bees: readonly SwarmBee[], registry: BeeRegistry, cores: number): number {
  const models = bees.reduce((sum, { type, spec, replicas, maxReplicas }) => {
    const atOnce = registry.find(type.type)?.definition.modelsAtOnce?.(spec as never) ?? 0
    return sum + atOnce * Math.max(replicas, maxReplicas)
  }, 0)
  return Math.max(1, Math.floor(cores / Math.max(1, models)))
}
