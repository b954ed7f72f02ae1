import type { BeeRow, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'

/** The bees of a swarm in the form of the API, with their states and the counts of their calls in this process. */
export function beeRows(
  configured: ConfiguredSwarm | null,
  running: RunningSwarm | null,
  { name: swarm, state, instance }: Pick<SwarmRow, 'name' | 'state'> & Pick<BeeRow, 'instance'>,
): readonly BeeRow[] {
  const meters = (running?.application.threads.here ?? []).flatMap(({ callMeters }) => [...callMeters])
  return (configured?.swarm.bees ?? []).map(({ name, type, input, spec, gpu, replicas, maxReplicas, timeoutMs, onError }) => {
    const own = meters.flatMap(([bee, counts]) => (bee === name ? [counts] : []))
    const sum = (count: (meters: (typeof own)[number]) => number) => own.reduce((total, one) => total + count(one), 0)
    const calls = sum(({ sent }) => Object.values(sent).reduce((total, one) => total + one, 0))
    return {
      swarm,
      name,
      type: type.type,
      inputs: input?.bees ?? [],
      state: state === 'running' && running !== null ? running.stateOf(name) : state,
      instance,
      spec,
      gpu,
      replicas,
      max_replicas: maxReplicas,
      timeout_seconds: timeoutMs === null ? null : timeoutMs / 1000,
      on_error: onError,
      results_total: sum(({ rows }) => rows.result),
      refused_total: sum(({ rows }) => rows.refused),
      failed_total: sum(({ rows }) => rows.failed),
      calls_total: calls,
      mean_call_seconds: calls === 0 ? null : sum(({ sumSeconds }) => sumSeconds) / calls,
    }
  })
}
