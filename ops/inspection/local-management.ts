import type { Clock, Log } from '../../processor/ports.ts'
import type {
  DeadLetter,
  DeadLetterOptions,
  DeadLetterPage,
  LogManagement,
  ModelRow,
  PageOptions,
  RecordPage,
  ReplayOptions,
  ReplayPage,
  RequestListOptions,
  RequestPage,
  Retried,
  SettledLetters,
  TopicRow,
} from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { RequestTrace } from '../../topology/swarm/request/request-trace.ts'
import { DeadLetters } from './dead-letters.ts'
import { HistoryReplay } from './history-replay.ts'
import { RequestList, type RequestListDependencies } from './request-list.ts'
import { RequestTraces } from './request-traces.ts'
import { type ModelSwarm, RunningModels } from './running-models.ts'
import { ShownValues } from './shown-values.ts'
import { TopicPages } from './topic-pages.ts'

export interface LocalManagementOptions {
  readonly log: Log
  readonly clock: Clock
  /** Makes a new request id. The first id becomes `instance`, which identifies this run of the process. */
  readonly newId: () => string
  /** The URL of the schema registry. If null, an Avro value is shown as its number of bytes. */
  readonly schemaRegistryUrl: string | null
  /** The plans of the swarms that run in this process. A retry or a replay may write to the topics that these swarms read. */
  readonly plans?: readonly SwarmPlan[]
  /** The time at which a request was accepted, if a ledger of this process knows it. */
  readonly acceptedAt?: (id: string) => number | null
  /** The entry of a request in the ledger of a swarm. */
  readonly ledgerEntry?: NonNullable<RequestListDependencies['ledgerEntry']>
  /** The ids that requests with this idempotency key may have at a gateway, one for each possible caller. */
  readonly idsOfKey?: (gateway: string, key: string) => readonly string[]
  /** The swarms that run in this process, with their models. */
  readonly swarms?: readonly ModelSwarm[]
  /** The address of this process's ClickHouse; null if the process has no ClickHouse open. */
  readonly clickhouseUrl?: () => string | null
}

/** The topics, dead letters and traces of a log that this process has open, and the models of its swarms. */
export class LocalManagement implements LogManagement {
  readonly instance: string
  readonly #pages: TopicPages
  readonly #letters: DeadLetters
  readonly #replays: HistoryReplay
  readonly #traces: RequestTraces
  readonly #requests: RequestList
  readonly #models: RunningModels
  readonly #clickhouseUrl: () => string | null

  private constructor(options: LocalManagementOptions, values: ShownValues) {
    this.instance = options.newId()
    this.#pages = new TopicPages({ ...options, values })
    this.#letters = new DeadLetters({ ...options, values })
    this.#replays = new HistoryReplay({ plans: [], ...options })
    this.#traces = new RequestTraces(options)
    this.#requests = new RequestList({ plans: [], ...options })
    this.#models = new RunningModels(options.swarms ?? [])
    this.#clickhouseUrl = options.clickhouseUrl ?? (() => null)
  }

  static async open(options: LocalManagementOptions): Promise<LocalManagement> {
    const { schemaRegistryUrl: url } = options
    const avro = url === null ? null : (await import('../../connectors/schema-registry/schema-registry.ts')).schemaRegistry({ url }).avro<unknown>()
    return new LocalManagement(options, new ShownValues(avro))
  }

  async clickhouseUrl(): Promise<string | null> {
    return this.#clickhouseUrl()
  }

  topics(): Promise<readonly TopicRow[]> {
    return this.#pages.topics()
  }

  records(topic: string, options: PageOptions): Promise<RecordPage> {
    return this.#pages.page(topic, options)
  }

  deadLetters(options: DeadLetterOptions): Promise<DeadLetterPage> {
    return this.#letters.list(options)
  }

  deadLetter(id: string): Promise<DeadLetter> {
    return this.#letters.show(id)
  }

  retry(id: string): Promise<Retried> {
    return this.#letters.retry(id)
  }

  discard(id: string): Promise<void> {
    return this.#letters.discard(id)
  }

  settle(verb: 'retry' | 'discard', options: DeadLetterOptions): Promise<SettledLetters> {
    return this.#letters.settle(verb, options)
  }

  replay(swarm: string, options: ReplayOptions): Promise<ReplayPage> {
    return this.#replays.page(swarm, options)
  }

  requests(options: RequestListOptions): Promise<RequestPage> {
    return this.#requests.page(options)
  }

  trace(id: string): Promise<RequestTrace> {
    return this.#traces.trace(id)
  }

  async models(): Promise<readonly ModelRow[]> {
    return this.#models.list()
  }

  reloadModel(swarm: string, bee: string): Promise<ModelRow> {
    return this.#models.reload(swarm, bee)
  }

  async close(): Promise<void> {
    this.#pages.close()
    await this.#letters.close()
    await this.#replays.close()
  }
}
