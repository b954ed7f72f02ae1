import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { BeeRegistry } from '../../bees/registry.ts'
import { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from '../../connectors/clickhouse/embedded-clickhouse.ts'
import { Repairs } from '../../connectors/clickhouse/repairs.ts'
import { freshId } from '../../connectors/gateway/fresh-id.ts'
import { type HttpGateway, openHttpGateway } from '../../connectors/gateway/http/http-gateway.ts'
import { checkDataFormat } from '../../connectors/system/data-format.ts'
import { FileFlightRecorder } from '../../connectors/system/flight-recorder.ts'
import { processHeap } from '../../connectors/system/process-heap.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { KillerSearch } from '../../processor/async/killer-search.ts'
import type { Log, StateDirectory } from '../../processor/ports.ts'
import { applicationIdOf } from '../../topology/naming.ts'
import type { CheckedSwarm } from '../../topology/swarm/checked-swarm.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ServerTokens } from '../access/server-tokens.ts'
import type { Config } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import { LogManagement } from '../inspection/log-management.ts'
import { removeAddress, writeAddress } from '../inspection/process-address.ts'
import { RequestTraces } from '../inspection/request-traces.ts'
import { ProcessPage } from '../page/process-page.ts'
import { FailureLines } from '../process-log/failure-lines.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { ClusterRequests } from '../requests/cluster-requests.ts'
import { EmbeddedRequests } from '../requests/embedded-requests.ts'
import { LiveRequestEvents } from '../requests/live-request-events.ts'
import { Telemetry } from '../telemetry/telemetry.ts'
import { beePorts } from './bee-ports.ts'
import { idSecretOf } from './id-secret.ts'
import { trimWhenIdle } from './idle-trim.ts'
import { saveMissingRows } from './missing-rows.ts'
import { modelThreads } from './model-threads.ts'
import { usualMaxConnections } from './open-files.ts'
import { openLog } from './open-log.ts'
import { openRemoteModels } from './open-remote-models.ts'
import { ownTopics, RunningSwarm } from './running-swarm.ts'
import { watchClock } from './watch-clock.ts'
import { watchLoop } from './watch-loop.ts'

/** A swarm, its bee types, and the settings beside its file. */
export interface ConfiguredSwarm {
  readonly swarm: CheckedSwarm
  readonly registry: BeeRegistry
  readonly config: Config
}

export interface BeekeeperOptions {
  /** Settings of the process: the port, the data directory and so on. */
  readonly settings: Settings
  readonly swarms: readonly ConfiguredSwarm[]
  readonly say: LogLine
  /** Opens a damaged log with the remaining records. */
  readonly acceptLoss?: boolean
  /** Aborted: a start that waits for a model ends. */
  readonly signal?: AbortSignal
  /** Called during the start, each time a bee has opened: `done` of `all` are open. */
  readonly onProgress: (what: string, done: number, all: number) => void
}

/** Everything in this process: the log, the swarms on it, and the gateway. They open in this order and close in reverse. */
export class Beekeeper {
  readonly #options: BeekeeperOptions
  readonly #closers: { readonly what: string; readonly close: () => Promise<void> }[] = []
  readonly #failures: FailureLines
  readonly #tokens: ServerTokens
  #swarms: readonly RunningSwarm[] = []
  #gateway: HttpGateway | null = null
  #stopWaiting = () => {}
  /** The time by which a stop must have ended, on the clock that never jumps. */
  #stopsBy = Number.POSITIVE_INFINITY
  #clickhouseUrl: string | null = null
  /** Null if the database is not in the data directory. */
  #repairs: Repairs | null = null

  private constructor(options: BeekeeperOptions) {
    this.#options = options
    this.#tokens = new ServerTokens(options.settings, systemClock)
    this.#failures = new FailureLines({ say: options.say, clock: systemClock })
  }

  /** Settles when every swarm answers requests. If a part cannot start, closes the open parts and throws. */
  static async open(options: BeekeeperOptions): Promise<Beekeeper> {
    const beekeeper = new Beekeeper(options)
    try {
      await beekeeper.#open()
    } catch (error) {
      await beekeeper.close()
      throw error
    }
    return beekeeper
  }

  get url(): string {
    return this.#gateway?.url ?? ''
  }

  /** True: every caller needs a token. */
  get needsToken(): boolean {
    return this.#tokens.areKnown
  }

  /** The database's URL; null if no swarm has a sink. */
  get clickhouseUrl(): string | null {
    return this.#clickhouseUrl
  }

  get swarms(): readonly RunningSwarm[] {
    return this.#swarms
  }

  /** Takes the settings that a running process can change: tokens. */
  reload(settings: Settings): void {
    this.#tokens.replaceSettings(settings)
  }

  async close(): Promise<void> {
    this.#stopsBy = systemClock.elapsedMs() + this.#options.settings.shutdown_seconds * 1000
    const failures: unknown[] = []
    for (const { close } of this.#closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  async #open(): Promise<void> {
    const { settings, say } = this.#options
    refuseBeyondLoopback(settings.host, this.#tokens)
    if (!isLoopback(settings.host))
      say('gateway', 'warn', `listening on ${settings.host} without TLS: whoever reads the network reads tokens, inputs and answers`)
    this.#closeLater('failures', async () => this.#failures.close())
    const unwatch = watchClock(systemClock, (message) => say('clock', 'warn', message))
    this.#closeLater('clock', async () => unwatch())
    const untrim = trimWhenIdle(systemClock, processHeap())
    this.#closeLater('heap', async () => untrim())
    const random = new SystemRandom()
    // The state directories open before the log, which needs this process's id from them.
    const states = new Map<string, StateDirectory>()
    if (settings.log === 'kafka') for (const { swarm } of this.#options.swarms) states.set(swarm.name, await this.#openStates(swarm.name, random))
    const [first] = states.values()
    const onNotice = (notice: string) => say('', 'warn', notice)
    const log = await openLog(settings, { processId: first?.processId ?? null, acceptLoss: this.#options.acceptLoss ?? false, onNotice })
    this.#closeLater('log', () => log.close())
    const recorder = FileFlightRecorder.open(join(settings.data_dir, 'flights'), { onNotice })
    this.#closeLater('flights', async () => recorder.close())
    const killerSearch = new KillerSearch(recorder)
    const database = await this.#openDatabase()
    const threads = settings.model_threads ?? modelThreads(this.#options.swarms, availableParallelism())
    const { signal } = this.#options
    const ports = beePorts({ settings, threads, database, ...(signal === undefined ? {} : { signal }) })
    const models = openRemoteModels(settings, systemClock)
    this.#closeLater('models', () => models.close())
    signal?.addEventListener('abort', () => void models.close())
    if (signal?.aborted === true) await models.close()
    let opened = 0
    const all = () => this.#swarms.reduce((sum, { bees }) => sum + bees, 0)
    this.#swarms = await Promise.all(
      this.#options.swarms.map(({ swarm, registry, config }) =>
        RunningSwarm.prepare({
          swarm,
          config,
          registry,
          ports,
          models,
          log,
          clock: systemClock,
          killerSearch,
          states: states.get(swarm.name) ?? null,
          say,
          failures: this.#failures,
          onOpened: (bee) => this.#options.onProgress(bee, ++opened, all()),
        }),
      ),
    )
    await this.#saveMissingRows(log, database)
    await this.#openGateway(log, random)
    await Promise.all(
      this.#swarms.map(async ({ application }) => {
        this.#closeLater('swarm', () => application.close({ timeoutMs: Math.max(shortestStopMs, this.#leftToStopMs) }))
        await application.start()
      }),
    )
    // Opening a model may block the process, so the watch begins here.
    const takeActivity = () => this.#swarms.map((swarm) => swarm.takeActivity())
    const unwatchLoop = watchLoop(systemClock, takeActivity, (message) => say('event-loop', 'warn', message))
    this.#closeLater('event loop', async () => unwatchLoop())
    // A stop begins at the gateway: accepted requests are answered while everything behind it still runs.
    const gateway = this.#gateway
    if (gateway === null) return
    this.#closeLater('gateway', () => gateway.close({ timeoutMs: this.#leftToStopMs, onTimeout: () => this.#stopWaiting() }))
  }

  async #openStates(swarm: string, random: SystemRandom): Promise<StateDirectory> {
    checkDataFormat(this.#options.settings.data_dir)
    const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
    const states = await openStateDirectory({ directory: join(this.#options.settings.data_dir, 'state', applicationIdOf(swarm)), random })
    this.#closeLater('state', () => states.close())
    return states
  }

  /** Listens before the models have loaded, so that callers get 503 with a reason instead of no connection. */
  async #openGateway(log: Log, random: SystemRandom): Promise<void> {
    const { settings } = this.#options
    const onError = (thrown: unknown, requestId?: string) => {
      const error = WaggleError.from('WAGGLE_INTERNAL', thrown, { next: 'Report this as a bug.' })
      this.#failures.failed(error, { module: 'gateway', ...(requestId === undefined ? {} : { request_id: requestId }) })
    }
    const common = {
      log,
      clock: systemClock,
      targets: this.#swarms.flatMap(({ targets }) => targets),
      maxPending: settings.max_requests_in_flight,
    }
    const requests =
      settings.log === 'embedded'
        ? new EmbeddedRequests({ ...common, outcomes: this.#swarms.flatMap(({ outcomes }) => outcomes) })
        : new ClusterRequests({ ...common, random, onError })
    for (const { plan } of this.#swarms) await log.createTopics(ownTopics(plan))
    await requests.start()
    const telemetry = new Telemetry({ clock: systemClock, swarms: this.#swarms, log })
    this.#closeLater('requests', () => requests.close())
    this.#stopWaiting = () => requests.stopWaiting()
    const plans = this.#swarms.map(({ plan }) => plan)
    const acceptedAt = (id: string) => this.#swarms.map((swarm) => swarm.acceptedAt(id)).find((time) => time !== null) ?? null
    const management = await LogManagement.open({
      log,
      clock: systemClock,
      newId: () => freshId(systemClock, random),
      schemaRegistryUrl: settings.schema_registry_url,
      plans,
      acceptedAt,
      swarms: this.#swarms,
    })
    this.#gateway = await openHttpGateway({
      requests,
      management,
      page: new ProcessPage({ log, clock: systemClock, instance: management.instance, swarms: this.#swarms }),
      events: new LiveRequestEvents({ log, clock: systemClock, plans, traces: new RequestTraces({ log, clock: systemClock, plans, acceptedAt }) }),
      callers: this.#tokens,
      tokens: this.#tokens,
      clock: systemClock,
      random,
      idSecret: await idSecretOf(log, { clock: systemClock, random }),
      host: settings.host,
      port: settings.http_port,
      requestTimeoutMs: settings.request_timeout_seconds * 1000,
      maxBodyBytes: settings.max_body_bytes,
      maxBodiesBytes: Math.max(256 * 1024 * 1024, 2 * settings.max_body_bytes),
      maxConnections: settings.max_connections ?? usualMaxConnections(),
      names: furtherNames(settings),
      rateLimitPerSecond: settings.rate_limit_per_second,
      notReady: () => this.#notReady(),
      onError,
      onAnswered: (answered) => telemetry.answered(answered),
      metrics: () => telemetry.text(),
    })
    const gateway = this.#gateway
    this.#closeLater('gateway', () => gateway.close())
    if (settings.log !== 'embedded') return
    const address = { url: gateway.url, instance: management.instance, token: this.#tokens.localToken }
    writeAddress(settings.data_dir, address)
    this.#closeLater('address', async () => removeAddress(settings.data_dir, address))
  }

  /** All parts that stop share `shutdown_seconds`. */
  get #leftToStopMs(): number {
    return Math.max(0, this.#stopsBy - systemClock.elapsedMs())
  }

  #notReady(): string | null {
    return this.#swarms.find(({ notReady }) => notReady !== null)?.notReady ?? null
  }

  async #openDatabase(): Promise<ClickHouseDatabase> {
    const { settings, swarms, say } = this.#options
    const random = new SystemRandom()
    const saves = swarms.some(({ swarm }) => swarm.bees.some(({ type }) => type.role === 'sink'))
    let url = settings.clickhouse_url
    let socketPath: string | null = null
    if (url === null && saves) {
      const directory = join(settings.data_dir, 'clickhouse')
      this.#repairs = new Repairs(directory)
      const embedded: EmbeddedClickHouse = await startEmbeddedClickHouse({
        directory,
        // The database has no tokens, and its rows are the answers to all callers.
        host: isLoopback(settings.host) ? settings.host : '127.0.0.1',
        port: settings.clickhouse_port,
        names: furtherNames(settings),
        clock: systemClock,
        log: (level, message) => say('clickhouse', level, message),
      })
      this.#closeLater('clickhouse', () => embedded.close())
      url = embedded.url
      socketPath = embedded.writerSocket
    }
    this.#clickhouseUrl = saves ? url : null
    const database = new ClickHouseDatabase({ url: url ?? 'http://127.0.0.1:8123', socketPath, clock: systemClock, random })
    this.#closeLater('database', () => database.close())
    return database
  }

  /** Saves rows that the database lacks. Needed only if log and database are both in the data directory, because one may be an older copy. */
  async #saveMissingRows(log: Log, database: ClickHouseDatabase): Promise<void> {
    const { settings, say } = this.#options
    const repairs = this.#repairs
    if (settings.log !== 'embedded' || repairs === null) return
    const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
    if (!(log instanceof EmbeddedLog)) return
    for (const { plan, topology } of this.#swarms) await saveMissingRows({ plan, topology, log, database, repairs, say })
  }

  #closeLater(what: string, close: () => Promise<void>): void {
    this.#closers.push({ what, close })
  }
}

/** The least time for the last commit, even if open requests have used up the time for a stop. */
const shortestStopMs = 3000

/** Names under which callers reach this process, beside the loopback names. */
function furtherNames({ hosts }: Settings): readonly string[] {
  return (hosts ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
}

/** Throws WAGGLE_NOT_LOOPBACK for an address that other machines can reach, unless callers need a token. */
function refuseBeyondLoopback(host: string, tokens: ServerTokens): void {
  if (isLoopback(host) || tokens.areKnown) return
  throw new WaggleError('WAGGLE_NOT_LOOPBACK', {
    message: `Listening on ${host} would let anybody in who reaches it, and there are no tokens`,
    next: 'Set WAGGLE_TOKENS, create a token (`waggle tokens create`), or set WAGGLE_HOST=127.0.0.1.',
  })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
