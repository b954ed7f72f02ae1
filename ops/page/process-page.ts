import type { Clock, Log } from '../../processor/ports.ts'
import type { BeeCalls, Page, PageBee, PageCounts, PageFile, PageShape, PageSwarmState } from '../../topology/swarm/page.ts'
import { beeTopic, gatewayTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import { beeIn, inputsOf } from '../inspection/trace-steps.ts'
import { pageFiles } from './page-files.ts'
import { lagsOf, pendingJoins, storesOf } from './swarm-state.ts'

export interface ProcessPageOptions {
  readonly log: Pick<Log, 'topic' | 'storage'>
  /** The bytes of large payloads in the data directory, and their bound. Undefined or null: the process keeps none there. */
  readonly claims?: () => { readonly bytes: number; readonly maxBytes: number } | null
  readonly clock: Clock
  /** The id of this run of the process. */
  readonly instance: string
  readonly swarms: readonly Pick<RunningSwarm, 'plan' | 'topology' | 'application' | 'notReady' | 'exampleInput' | 'replicas' | 'publishedParts'>[]
}

/** The page of this process: its files, and the swarms and counts that it shows. */
export class ProcessPage implements Page {
  readonly files: ReadonlyMap<string, PageFile>
  readonly contentSecurityPolicy: string
  readonly #options: ProcessPageOptions

  constructor(options: ProcessPageOptions) {
    const { files, contentSecurityPolicy } = pageFiles()
    this.files = files
    this.contentSecurityPolicy = contentSecurityPolicy
    this.#options = options
  }

  shape(): PageShape {
    const { instance, swarms } = this.#options
    return {
      instance,
      swarms: swarms.map((running) => {
        const { swarm, bees, gateways, topics, outcomesTopic } = running.plan
        const shown = bees.filter(({ type }) => type.role !== 'batch')
        const respond = bees.find(({ type }) => type.role === 'respond')?.name ?? null
        return {
          name: swarm,
          gateways: gateways.map(({ gateway, bee }) => ({
            gateway,
            bee,
            answers: outcomesTopic !== null,
            respond,
            example: running.exampleInput(gateway),
          })),
          bees: shown.map(({ name, type, input }): PageBee => {
            const topic = gateways.find(({ bee }) => bee === name)?.topic ?? beeTopic(swarm, name)
            return {
              name,
              type: type.type,
              after: inputsOf(name, running.plan),
              // A batch reads one bee, so a bee behind a batch takes no stack.
              stacks: input?.kind === 'stack',
              topic: topics.some((one) => one.name === topic) ? topic : null,
            }
          }),
        }
      }),
    }
  }

  async counts(): Promise<PageCounts> {
    const { log, clock, swarms } = this.#options
    return {
      at: clock.now(),
      swarms: await Promise.all(
        swarms.map(async ({ plan, application, notReady }) => {
          const names = plan.topics.flatMap(({ name, isForeign }) =>
            isForeign || (beeIn(name) === null && !name.startsWith(gatewayTopic(''))) ? [] : name,
          )
          const ends = await Promise.all(
            names.map(async (name) => [name, (await log.topic(name))?.offsets.reduce((sum, { end }) => sum + end, 0) ?? 0] as const),
          )
          return {
            name: plan.swarm,
            not_ready: notReady,
            in_hand: application.threads.recordsInHand,
            topics: Object.fromEntries(ends),
            waiting: waitingOf(plan, application),
            bees: callsOf(application),
          }
        }),
      ),
    }
  }

  state(swarm: string): PageSwarmState {
    const { log, swarms } = this.#options
    const running = swarms.find(({ plan }) => plan.swarm === swarm)
    if (running === undefined) {
      throw new WaggleError('WAGGLE_UNKNOWN_SWARM', {
        message: `No swarm ${swarm.slice(0, 100)} runs in this process`,
        next: 'See `waggle swarms list`.',
      })
    }
    const claims = this.#options.claims?.() ?? null
    const { plan, topology, application, replicas, publishedParts } = running
    return {
      swarm,
      tasks: application.threads.tasks.length,
      lags: lagsOf(plan, application),
      joins: pendingJoins(plan, application),
      stores: storesOf(plan, topology, application),
      database: application.stateBytes === null ? null : { bytes: application.stateBytes.bytes, has_log: application.stateBytes.hasLog },
      parts: [...publishedParts].map(([bee, count]) => ({ bee, ...count })),
      replicas: replicas.map(({ bee, replicas: count, changes }) => ({ bee, replicas: count, grown: changes.grown, shrunk: changes.shrunk })),
      log: log.storage === undefined ? null : { bytes: log.storage.bytes, max_bytes: log.storage.maxBytes },
      claims: claims === null ? null : { bytes: claims.bytes, max_bytes: claims.maxBytes },
    }
  }
}

/** The number of records that wait before each bee. Bees and topics without waiting records are left out. */
function waitingOf(plan: RunningSwarm['plan'], application: RunningSwarm['application']): PageCounts['swarms'][number]['waiting'] {
  const waiting = new Map<string, Map<string, number>>()
  for (const { bee, topic, records } of lagsOf(plan, application)) {
    if (records === 0) continue
    const topics = waiting.get(bee) ?? new Map<string, number>()
    waiting.set(bee, topics.set(topic, (topics.get(topic) ?? 0) + records))
  }
  return Object.fromEntries([...waiting].map(([bee, topics]) => [bee, Object.fromEntries(topics)]))
}

/** The calls of each bee, added up over all threads. */
function callsOf({ threads }: RunningSwarm['application']): { readonly [bee: string]: BeeCalls } {
  const bees = new Map<string, BeeCalls>()
  for (const thread of threads.here) {
    for (const [bee, { sent, rows, sumSeconds, waits, batchLimit }] of thread.callMeters) {
      const { calls, rows: before, failed, seconds, started, waited_seconds: waited } = bees.get(bee) ?? noCalls
      bees.set(bee, {
        calls: calls + Object.values(sent).reduce((sum, one) => sum + one, 0),
        rows: before + rows.result + rows.refused + rows.failed,
        failed: failed + rows.failed,
        seconds: seconds + sumSeconds,
        started: started + waits.count,
        waited_seconds: waited + waits.sum,
        batch_limit: batchLimit,
      })
    }
  }
  return Object.fromEntries(bees)
}

const noCalls: Omit<BeeCalls, 'batch_limit'> = { calls: 0, rows: 0, failed: 0, seconds: 0, started: 0, waited_seconds: 0 }
