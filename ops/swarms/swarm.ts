import { earlyBees, earlyBeesNow } from '../../bees/hosting/early-bees.ts'
import { SwarmHost } from '../../bees/hosting/host.ts'
import { redactedHost } from '../../bees/hosting/redacted-host.ts'
import { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { swarmTopology } from '../../processor/swarm/swarm-topology.ts'
import type { Topology } from '../../topology/graph.ts'
import { aName, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { planSwarm, type SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { describePlan, type PlanFormat } from '../../topology/swarm/plan/plan-description.ts'
import { withStreamSteps } from '../../topology/swarm/plan/stream-steps.ts'
import type { Database } from '../../topology/swarm/ports/database.ts'
import { noReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import type { SwarmDefinition } from '../../topology/swarm/swarm-definition.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { planSettingsOf } from '../config/settings.ts'
import { type LocalHost, localHost } from './local-host.ts'
import { type SwarmSource, sourceOfDefinition, sourceOfFile } from './swarm-source.ts'

/** A checked and planned swarm. */
export interface Swarm {
  readonly name: string
  /** The topology, which `Streams` and `TopologyTestDriver` can run. The bees open when the topology starts. */
  readonly topology: Topology
  /** Describes the swarm's bees, sub-topologies, topics and stores, as `waggle plan` does. */
  plan(format?: PlanFormat): string
}

/**
 * Makes a swarm from an object with the keys of a swarm file. The type of a bee is a name, or the result of `defineBee`. Paths are relative to the
 * working directory.
 *
 * @example
 * ```ts
 * const swarm = defineSwarm({
 *   name: 'greeter',
 *   bees: [
 *     { name: 'input', type: 'gateway-input', spec: { name: 'hello' } },
 *     { name: 'greet', type: 'module', input: { name: 'input' }, spec: { file: './greet.ts' } },
 *     { name: 'answer', type: 'respond', input: { name: 'greet' } },
 *   ],
 * })
 * console.log(swarm.plan())
 * ```
 *
 * @remarks Throws WAGGLE_INVALID_SWARM, whose `cause` is an AggregateError with one WaggleError for each mistake. The place of a mistake is the place
 * of the call, with the path in the definition: `swarm.ts:3:15: bees[1].input.name`.
 */
export function defineSwarm(definition: SwarmDefinition): Swarm {
  const source = sourceOfDefinition(definition)
  const { bees, made } = earlyBeesNow(hostOf(source, source.swarm.bees).options, source.swarm.document)
  const plan = planOf(source, bees)
  const { options, redactions } = hostOf(source, plan.bees)
  return swarmOf(source, plan, redactedHost(SwarmHost.createNow({ ...options, made }), redactions))
}

/**
 * Makes a swarm from a swarm file. Throws WAGGLE_FILE_NOT_FOUND, and WAGGLE_INVALID_SWARM with every mistake and its place in the file.
 *
 * @example
 * ```ts
 * const swarm = await loadSwarm('swarms/hello-world/swarm.yaml')
 * console.log(swarm.plan('mermaid'))
 * ```
 */
export async function loadSwarm(path: string): Promise<Swarm> {
  refuseWrong('loadSwarm', parameters({ path: aName }), [path], 'WAGGLE_INVALID_CONFIG')
  const source = sourceOfFile(path)
  const { bees, made } = await earlyBees(hostOf(source, source.swarm.bees).options, source.swarm.document)
  const plan = planOf(source, bees)
  const { options, redactions } = hostOf(source, plan.bees)
  return swarmOf(source, plan, redactedHost(await SwarmHost.create({ ...options, made }), redactions))
}

function planOf({ swarm, config }: SwarmSource, bees: readonly SwarmBee[]): SwarmPlan {
  return planSwarm({ ...swarm, bees }, planSettingsOf(config.settings))
}

function swarmOf(source: SwarmSource, plan: SwarmPlan, host: BeeHost): Swarm {
  const topology = topologyOf(source, plan, host)
  return {
    name: source.swarm.name,
    topology,
    plan(format = 'text') {
      if (!formats.has(format))
        throw new WaggleError('WAGGLE_INVALID_CONFIG', {
          message: `A plan has no format ${String(format)}`,
          next: `Use one of ${[...formats].join(', ')}.`,
        })
      return describePlan(withStreamSteps(plan, topology), format)
    },
  }
}

const formats: ReadonlySet<PlanFormat> = new Set(['text', 'json', 'mermaid'])

function hostOf(source: SwarmSource, bees: readonly SwarmBee[]): LocalHost {
  const url = source.config.settings.clickhouse_url ?? 'http://127.0.0.1:8123'
  const opened = () => new ClickHouseDatabase({ url, socketPath: null, clock: systemClock, random: new SystemRandom() })
  const database: Database = { openTable: (table) => opened().openTable(table) }
  return localHost(source, { bees, database, clock: systemClock, log: () => {} })
}

function topologyOf({ config: { settings } }: SwarmSource, plan: SwarmPlan, host: BeeHost): Topology {
  return swarmTopology(plan, host, {
    answersRetentionMs: settings.answers_retention_seconds * 1000,
    duplicateRetentionMs: settings.log === 'kafka' ? settings.duplicate_retention_seconds * 1000 : null,
    predictions: null,
    replyTopics: noReplyTopics,
  })
}
