import { gatewayOf, topicOf } from '../../topology/swarm/checked-swarm.ts'
import type { BeeRow, SwarmFailure, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'

/** One swarm of a server, whether it runs or not. */
export class ServedSwarm {
  readonly name: string
  readonly source: SwarmRow['source']
  state: SwarmRow['state'] = 'starting'
  version: number | null = null
  createdAt: number | null = null
  updatedAt: number | null = null
  text = ''
  /** Null if the text of the definition is not a swarm. */
  configured: ConfiguredSwarm | null
  /** The version that an update under way brings; null without one. */
  wanted: ConfiguredSwarm | null = null
  running: RunningSwarm | null = null
  error: WaggleError | null = null

  constructor(name: string, source: SwarmRow['source'], configured: ConfiguredSwarm | null) {
    this.name = name
    this.source = source
    this.configured = configured
  }

  get gateways(): readonly string[] {
    const bees = this.configured?.swarm.bees ?? []
    return bees.filter((bee) => bee.type.role === 'gateway' && topicOf(bee) === null).map(gatewayOf)
  }

  get row(): SwarmRow {
    return {
      name: this.name,
      state: this.source === 'file' && this.running?.notReady === null ? 'running' : this.state,
      version: this.version,
      source: this.source,
      gateways: this.gateways,
      bees: this.configured?.swarm.bees.length ?? 0,
      created_at: this.createdAt,
      updated_at: this.updatedAt,
      error: this.error === null ? null : failureOf(this.error),
    }
  }

  get beeRows(): readonly BeeRow[] {
    const meters = (this.running?.application.threads.here ?? []).flatMap(({ callMeters }) => [...callMeters])
    return (this.configured?.swarm.bees ?? []).map(({ name, type, input, spec, gpu, replicas, maxReplicas, timeoutMs, onError }) => {
      const own = meters.flatMap(([bee, counts]) => (bee === name ? [counts] : []))
      const sum = (count: (meters: (typeof own)[number]) => number) => own.reduce((total, one) => total + count(one), 0)
      const calls = sum(({ sent }) => Object.values(sent).reduce((total, one) => total + one, 0))
      return {
        swarm: this.name,
        name,
        type: type.type,
        inputs: input?.bees ?? [],
        state: this.row.state,
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
}

function failureOf({ code, message, next }: WaggleError): SwarmFailure {
  return { code, detail: message, next }
}
