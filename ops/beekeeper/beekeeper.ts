import { join } from 'node:path'
import { AnswerRoom } from '../../connectors/claims/answer-room.ts'
import { CallerLimits } from '../../connectors/gateway/access/caller-limits.ts'
import { placesOfFollowers } from '../../connectors/gateway/access/caller-places.ts'
import { freshId } from '../../connectors/gateway/fresh-id.ts'
import type { GrpcGateway } from '../../connectors/gateway/grpc/grpc-gateway.ts'
import { type AnsweredRequest, type HttpGateway, openHttpGateway } from '../../connectors/gateway/http/http-gateway.ts'
import type { IssuerCallers } from '../../connectors/gateway/oidc/issuer-callers.ts'
import { RequestIds } from '../../connectors/gateway/request-ids.ts'
import { RequestsInTurn } from '../../connectors/gateway/requests-in-turn.ts'
import { isLoopback } from '../../connectors/http/loopback.ts'
import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import { checkDataFormat } from '../../connectors/system/data-format.ts'
import { FileFlightRecorder } from '../../connectors/system/flight-recorder.ts'
import { NvidiaGpus } from '../../connectors/system/nvidia-gpus.ts'
import { closePlaces } from '../../connectors/system/private-modes.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { KillingRecordSearch } from '../../processor/async/killing-record-search.ts'
import type { Log, StateDirectory } from '../../processor/ports.ts'
import { ownPackage } from '../../topology/own-package.ts'
import type { Printing } from '../../topology/swarm/ports/printing.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import { inlineAnswers } from '../../topology/swarm/request/whole-answers.ts'
import type { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { SwarmManagement } from '../../topology/swarm/swarm-management.ts'
import { applicationIdOf } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ServerTokens } from '../access/server-tokens.ts'
import { SharedTokens } from '../access/shared-tokens.ts'
import { type BackupReport, writeBackup } from '../backup/backup.ts'
import type { Settings } from '../config/settings.ts'
import { storedSecrets } from '../config/stored-secrets.ts'
import { areSameIssuer, type IssuerSettings, issuerOf } from '../config/token-issuer.ts'
import { LocalManagement } from '../inspection/local-management.ts'
import { removeAddress, writeAddress } from '../inspection/process-address.ts'
import { RequestTraces } from '../inspection/request-traces.ts'
import { RunningProcess } from '../inspection/running-process.ts'
import { SavedPredictions } from '../inspection/saved-predictions.ts'
import { ProcessPage } from '../page/process-page.ts'
import { auditLine } from '../process-log/audit-line.ts'
import { FailureLines } from '../process-log/failure-lines.ts'
import type { LogLevel, LogLevels, LogLine } from '../process-log/log-line.ts'
import { WaitingAudit } from '../process-log/waiting-audit.ts'
import { ClaimedAnswers } from '../requests/claimed-answers.ts'
import { ClaimedRequests } from '../requests/claimed-requests.ts'
import { ClusterRequests } from '../requests/cluster-requests.ts'
import { EmbeddedRequests } from '../requests/embedded-requests.ts'
import { LiveRequestEvents } from '../requests/live-request-events.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import { BeeLog } from '../served/bee-log.ts'
import type { ServerPlace } from '../served/configured-text.ts'
import { Definitions } from '../served/definitions.ts'
import { ServedSwarms } from '../served/served-swarms.ts'
import { findingsOf } from '../served/swarm-findings.ts'
import { SwarmModels } from '../served/swarm-models.ts'
import type { Otlp } from '../telemetry/otlp/otlp.ts'
import { Telemetry } from '../telemetry/telemetry.ts'
import { beePorts, modelsOf } from './bee-ports.ts'
import { usualMaxConnections } from './connection-limit.ts'
import { furtherNames, limitsOf, listIn, privatePlaces, refuseBeyondLoopback, tlsOf } from './gateway-settings.ts'
import { idSecretOf } from './id-secret.ts'
import { maxFetchedBytes, type OpenClaims, openClaims } from './open-claims.ts'
import { openGrpc } from './open-grpc.ts'
import { kafkaOptions, openLog } from './open-log.ts'
import { openRemoteModels } from './open-remote-models.ts'
import { PredictionDatabase } from './prediction-database.ts'
import { ProcessWatch } from './process-watch.ts'
import type { ConfiguredSwarm, RunningSwarm } from './running-swarm.ts'
import { RunningSwarms } from './running-swarms.ts'

export interface BeekeeperOptions {
  /** Settings of the process: the port, the data directory and so on. */
  readonly settings: Settings
  /** The swarms that come from files. */
  readonly swarms: readonly ConfiguredSwarm[]
  /** The server's data; null if the process runs only `swarms`. A server also runs the swarms whose definitions are in the log. */
  readonly server?: ServerPlace | null
  readonly say: LogLine
  /** True if log lines of a module are shown. Callers ask before they build a line at a cost. Default: no such line is built. */
  readonly shows?: (module: string, level: LogLevel, swarm?: string) => boolean
  /** The levels of the log, for the API. Undefined: the API cannot change the levels. */
  readonly logLevels?: LogLevels
  /** The connection to an OpenTelemetry collector; null if there is none. */
  readonly otlp?: Otlp | null
  /** Connects the lines that modules print with their bees. Undefined: printed lines have no bee. */
  readonly printing?: Printing
  /** Hides secrets in the lines that callers may read. */
  readonly redaction: Redaction
  /** If true, a damaged log opens with the records that remain. */
  readonly acceptLoss?: boolean
  /** Ends a start that waits for a model, when it aborts. */
  readonly signal?: AbortSignal
  /** Called during the start, each time a bee has opened: `done` of `all` are open. */
  readonly onProgress: (what: string, done: number, all: number) => void
}

/** All parts of this process: the log, the swarms on it, and the gateway. The parts open in this order and close in reverse. */
export class Beekeeper {
  readonly #options: BeekeeperOptions
  readonly #closers: { readonly what: string; readonly close: () => Promise<void> }[] = []
  readonly #beeLog = new BeeLog(systemClock)
  readonly #say: LogLine
  readonly #failures: FailureLines
  readonly #tokens: ServerTokens
  #issuerSettings: IssuerSettings
  readonly #limits: CallerLimits
  #running: RunningSwarms | null = null
  #served: ServedSwarms | null = null
  #gateway: HttpGateway | null = null
  #grpc: GrpcGateway | null = null
  #isBackingUp = false
  #stopWaiting = () => {}
  /** The time by which a stop must have ended, on the monotonic clock. */
  #stopsBy = Number.POSITIVE_INFINITY
  readonly #database: PredictionDatabase

  private constructor(options: BeekeeperOptions) {
    this.#options = options
    this.#issuerSettings = options.settings
    this.#limits = new CallerLimits({ clock: systemClock, limits: limitsOf(options.settings, options.settings) })
    this.#say = this.#beeLog.keeping(options.say, options.redaction)
    this.#database = new PredictionDatabase(options.settings, this.#say)
    this.#failures = new FailureLines({ say: this.#say, clock: systemClock })
    this.#tokens = new ServerTokens(options.settings, systemClock, this.#issuerOf(options.settings))
  }

  /** Opens all parts. Settles when every swarm answers requests. If a part cannot start, closes the open parts and throws. */
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

  /** The address `HOST:PORT` of the gRPC services; null if their port was in use. */
  get grpcAddress(): string | null {
    return this.#grpc?.address ?? null
  }

  /** True if every caller needs a token. */
  get needsToken(): boolean {
    return this.#tokens.areKnown
  }

  /** The database's URL; null if no swarm has a sink. */
  get clickhouseUrl(): string | null {
    return this.#database.url
  }

  get swarms(): readonly RunningSwarm[] {
    return this.#running?.all ?? []
  }

  /** Applies new values of the settings that a running process can change: tokens, their issuer, and limits of callers. */
  reload(settings: Settings): void {
    this.#tokens.replaceSettings(settings)
    if (!areSameIssuer(settings, this.#issuerSettings)) this.#tokens.replaceIssuer(this.#issuerOf(settings))
    this.#issuerSettings = settings
    this.#limits.replace(limitsOf(settings, this.#options.settings))
  }

  /** The swarms of a server, as its API manages them. */
  get management(): SwarmManagement {
    if (this.#served === null) throw new WaggleError('WAGGLE_INTERNAL', { message: 'The server is not open', next: 'Report this as a bug.' })
    return this.#served
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
    const { settings, server = null } = this.#options
    const say = this.#say
    storedSecrets(settings).renew()
    new WaitingAudit(settings.data_dir).flush(say)
    refuseBeyondLoopback(settings.host, this.#tokens)
    if (!isLoopback(settings.host) && settings.tls_cert === null)
      say('gateway', 'warn', `listening on ${settings.host} without TLS: whoever reads the network reads tokens, inputs and answers`)
    this.#closeLater('failures', async () => this.#failures.close())
    this.#closeLater('tokens', async () => this.#tokens.close())
    const watch = new ProcessWatch(say)
    this.#closeLater('watch', async () => watch.close())
    const random = new SystemRandom()
    // The state directories open before the log, because the log needs this process's id from them.
    const states = new Map<string, StateDirectory>()
    if (settings.log === 'kafka')
      for (const { swarm } of this.#options.swarms) states.set(swarm.name, await this.#openStatesFirst(applicationIdOf(swarm.name), random))
    const [first] = settings.log === 'kafka' && server !== null ? [await this.#openStatesFirst('server', random)] : states.values()
    const onNotice = (notice: string) => say('', 'warn', notice)
    const log = await openLog(settings, { processId: first?.processId ?? null, acceptLoss: this.#options.acceptLoss ?? false, onNotice })
    this.#closeLater('log', () => log.close())
    if (settings.log === 'kafka') {
      const shared = await SharedTokens.open({ log, clock: systemClock, say })
      this.#closeLater('shared tokens', () => shared.close())
      this.#tokens.share(shared)
    }
    for (const line of closePlaces(privatePlaces(settings))) say('', 'warn', line)
    const recorder = FileFlightRecorder.open(join(settings.data_dir, 'flights'), { onNotice })
    this.#closeLater('flights', async () => recorder.close())
    const killingRecordSearch = new KillingRecordSearch(recorder)
    const database = this.#database
    this.#closeLater('database', () => database.close())
    const { signal, swarms, printing } = this.#options
    const ports = beePorts({
      settings,
      threads: 1,
      database,
      ...(signal === undefined ? {} : { signal }),
      ...(printing === undefined ? {} : { printing }),
    })
    const open = await openClaims(settings, { log, clock: systemClock, random, onNotice: (notice) => say('claims', 'warn', notice) })
    if (open !== null) this.#closeLater('claims', () => open.close())
    const claims = open?.claims ?? null
    const models = openRemoteModels(settings, systemClock)
    this.#closeLater('models', () => models.close())
    signal?.addEventListener('abort', () => void models.close())
    if (signal?.aborted === true) await models.close()
    let opened = 0
    const running = new RunningSwarms({
      ports,
      modelsWith: (count) => modelsOf(settings, count),
      threads: settings.model_threads,
      models,
      log,
      clock: systemClock,
      random,
      killingRecordSearch,
      claims,
      openStates: states,
      openState: async (swarm) => (settings.log === 'kafka' ? this.#openStates(applicationIdOf(swarm), random) : null),
      say,
      shows: this.#options.shows ?? (() => false),
      ...this.#tracing,
      failures: this.#failures,
      onOpened: (bee) => this.#options.onProgress(bee, ++opened, Math.max(opened, this.#bees)),
      beforeStart: (swarm) => database.saveMissingRows(log, swarm),
    })
    this.#running = running
    const prepared = await Promise.all(swarms.map((swarm) => running.prepare(swarm, swarms)))
    const served = await this.#openGateway(log, random, { running, prepared, stored: open })
    this.#closeLater('swarms', () => running.close(() => Math.max(shortestStopMs, this.#leftToStopMs)))
    this.#closeLater('definitions', () => served.close())
    await Promise.all(prepared.map((swarm) => running.start(swarm)))
    await served.open()
    const unwatchLoop = watch.watchLoop(() => running.all.map((swarm) => swarm.takeActivity()))
    this.#closeLater('event loop', async () => unwatchLoop())
    // A stop begins at the gateway: accepted requests are answered while all other parts still run.
    const gateway = this.#gateway
    if (gateway === null) return
    const within = () => ({ timeoutMs: this.#leftToStopMs, onTimeout: () => this.#stopWaiting() })
    this.#closeLater('gateway', async () => void (await Promise.all([gateway.close(within()), this.#grpc?.close(within())])))
  }

  #openDefinitions(log: Log, random: SystemRandom): Promise<Definitions> {
    const newId = () => Buffer.from(random.bytes(8)).toString('hex')
    return Definitions.open({ log, clock: systemClock, say: this.#say, newId })
  }

  async #backUp(log: Log, into: string): Promise<BackupReport> {
    if (this.#isBackingUp) {
      throw new WaggleError('WAGGLE_BACKUP_RUNNING', { message: 'A backup is being written', next: 'Try again when the running backup is complete.' })
    }
    this.#isBackingUp = true
    try {
      const { log: kind, data_dir: dataDirectory } = this.#options.settings
      return await writeBackup({ dataDirectory, into, log: kind === 'embedded' ? log : null, clock: systemClock, waggle: ownPackage.version })
    } finally {
      this.#isBackingUp = false
    }
  }

  async #openGroups(): Promise<KafkaGroups> {
    const { KafkaGroups } = await import('../../connectors/log/kafka/kafka-groups.ts')
    const groups = new KafkaGroups(kafkaOptions(this.#options.settings))
    this.#closeLater('groups', () => groups.close())
    return groups
  }

  #issuerOf(settings: Settings): IssuerCallers | null {
    return issuerOf(settings, { clock: systemClock, onProblem: (problem) => this.#say('gateway', 'warn', problem) })
  }

  async #openStates(name: string, random: SystemRandom): Promise<StateDirectory> {
    checkDataFormat(this.#options.settings.data_dir)
    const { openStateDirectory } = await import('../../connectors/rocksdb/state-directory.ts')
    return openStateDirectory({ directory: join(this.#options.settings.data_dir, 'state', name), random })
  }

  async #openStatesFirst(name: string, random: SystemRandom): Promise<StateDirectory> {
    const states = await this.#openStates(name, random)
    this.#closeLater('state', () => states.close())
    return states
  }

  /** Opens the gateway before the models have loaded, so that callers get status 503 with a reason instead of no connection. */
  async #openGateway(
    log: Log,
    random: SystemRandom,
    {
      running,
      prepared,
      stored,
    }: { readonly running: RunningSwarms; readonly prepared: readonly RunningSwarm[]; readonly stored: OpenClaims | null },
  ): Promise<ServedSwarms> {
    const { settings, swarms, server = null } = this.#options
    const say = this.#say
    const onError = (thrown: unknown, requestId?: string) => {
      const error = WaggleError.from('WAGGLE_INTERNAL', thrown, { next: 'Report this as a bug.' })
      this.#failures.failed(error, { module: 'gateway', ...(requestId === undefined ? {} : { request_id: requestId }) })
    }
    const common = { log, clock: systemClock, targets: [], maxPending: settings.max_requests_in_flight }
    const requests: SwarmRequests =
      settings.log === 'embedded'
        ? new EmbeddedRequests({ ...common, outcomes: [] })
        : new ClusterRequests({ ...common, random, onError, onClockSkew: (message) => say('clock', 'warn', message) })
    this.#closeLater('requests', () => requests.close())
    await requests.start()
    await running.connect(requests, prepared)
    const place = server ?? { root: process.cwd(), env: process.env }
    const definitions = server === null ? null : await this.#openDefinitions(log, random)
    const groups = definitions === null || settings.log !== 'kafka' ? null : await this.#openGroups()
    const processId = freshId(systemClock, random)
    const served = new ServedSwarms({
      running,
      requests,
      definitions,
      log,
      groups,
      instance: settings.instance,
      processId,
      clock: systemClock,
      place,
      say,
      beeLog: this.#beeLog,
      validate: (text) => findingsOf(text, place),
    })
    served.addFixed(swarms.flatMap((configured, at) => (prepared[at] === undefined ? [] : [{ configured, running: prepared[at] }])))
    this.#served = served
    const gpus = new NvidiaGpus({ clock: systemClock })
    this.#closeLater('GPU metrics', async () => gpus.close())
    const room = new AnswerRoom({ clock: systemClock, maxBytes: maxFetchedBytes(settings) })
    const measured = stored === null ? {} : { claims: { counts: stored.counts, usage: stored.usage, answers: room } }
    const telemetry = new Telemetry({
      clock: systemClock,
      swarms: running.all,
      requests,
      log,
      gpus,
      ...measured,
      ...(definitions === null ? {} : { definitions }),
    })
    this.#closeLater('telemetry', async () => telemetry.close())
    this.#options.otlp?.useMetrics(() => telemetry.families())
    const { requests_at_work: atWork, max_requests_in_flight: maxInFlight } = settings
    const claimed = stored === null ? requests : new ClaimedRequests(requests, { claims: stored.claims, clock: systemClock })
    const answers = stored === null ? inlineAnswers : new ClaimedAnswers({ claims: stored.claims, room, clock: systemClock })
    // A caller gets half of these places at most, and a single caller may have all requests in flight. Requests whose caller has left take places too.
    const inTurn = atWork === null ? null : new RequestsInTurn({ requests: claimed, clock: systemClock, atWork, waiting: 2 * maxInFlight })
    this.#stopWaiting = () => {
      inTurn?.stop()
      requests.stopWaiting()
    }
    const { plans } = running
    const acceptedAt = (id: string) => running.all.map((swarm) => swarm.acceptedAt(id)).find((time) => time !== null) ?? null
    const secret = await idSecretOf(log, { clock: systemClock, random })
    // On a cluster, the partitions are spread over processes, and so are the requests.
    const sticky = settings.log === 'embedded' ? { partitions: settings.partitions } : {}
    const requestIds = new RequestIds({ clock: systemClock, random, secret, ...sticky })
    const management = await LocalManagement.open({
      log,
      clock: systemClock,
      newId: () => processId,
      schemaRegistryUrl: settings.schema_registry_url,
      plans,
      acceptedAt,
      ledgerEntry: (swarm, id) => running.all.find(({ plan }) => plan.swarm === swarm)?.ledgerEntry(id),
      idsOfKey: (gateway, key) => ['', ...this.#tokens.names].map((caller) => requestIds.derived(gateway, caller, key)),
      clickhouseUrl: () => this.#database.shownUrl,
      swarms: running.all,
    })
    const gatewayOptions = {
      requests: inTurn ?? claimed,
      answers,
      memory: room,
      events: new LiveRequestEvents({
        log,
        clock: systemClock,
        plans,
        traces: new RequestTraces({ log, clock: systemClock, plans, acceptedAt }),
        isSettled: async (id) => ((await requests.find(id))?.answer ?? null) !== null,
      }),
      followers: placesOfFollowers(),
      models: new SwarmModels({ swarms: served, running: running.all }),
      callers: this.#tokens,
      limits: this.#limits,
      ...this.#tracing,
      onNotice: (notice: string) => say('gateway', 'warn', notice),
      clock: systemClock,
      requestIds,
      host: settings.host,
      requestTimeoutMs: settings.request_timeout_seconds * 1000,
      maxBodyBytes: settings.max_body_bytes,
      maxBodiesBytes: Math.max(256 * 1024 * 1024, 2 * settings.max_body_bytes),
      maxConnections: settings.max_connections ?? usualMaxConnections(),
      names: furtherNames(settings),
      rateLimitPerSecond: settings.rate_limit_per_second,
      notReady: () => this.#notReady(),
      onError,
      onAnswered: (answered: AnsweredRequest) => telemetry.answered(answered),
    }
    this.#gateway = await openHttpGateway({
      ...gatewayOptions,
      ...tlsOf(settings),
      management,
      page: new ProcessPage({
        log,
        clock: systemClock,
        instance: management.instance,
        swarms: running.all,
        ...(stored === null ? {} : { claims: stored.usage }),
      }),
      predictions: new SavedPredictions({ clock: systemClock, plans, database: () => this.#database.open() }),
      onManaged: (call) => auditLine(say, call),
      tokens: this.#tokens,
      swarms: served,
      secrets: storedSecrets(settings),
      ...this.#debug(running),
      backups: { write: (directory) => this.#backUp(log, directory) },
      origins: listIn(settings.cors_origins),
      port: settings.http_port,
      metrics: (format) => telemetry.text(format),
    })
    const gateway = this.#gateway
    this.#closeLater('gateway', () => gateway.close())
    const grpc = await openGrpc(gatewayOptions, settings, say)
    this.#grpc = grpc
    if (grpc !== null) this.#closeLater('grpc', () => grpc.close())
    const address = { url: gateway.url, instance: management.instance, token: this.#tokens.localToken }
    writeAddress(settings.data_dir, address)
    this.#closeLater('address', async () => removeAddress(settings.data_dir, address))
    return served
  }

  /** The remaining time for a stop. All parts of the process share `shutdown_seconds`. */
  get #leftToStopMs(): number {
    return Math.max(0, this.#stopsBy - systemClock.elapsedMs())
  }

  #debug({ all: swarms }: RunningSwarms): { readonly debug?: RunningProcess } {
    const { logLevels } = this.#options
    return logLevels === undefined ? {} : { debug: new RunningProcess({ clock: systemClock, logLevels, swarms }) }
  }

  get #tracing(): { readonly tracing?: Tracing } {
    const tracing = this.#options.otlp?.tracing
    return tracing === undefined ? {} : { tracing }
  }

  #notReady(): string | null {
    return this.#served === null ? 'Waggle is starting' : this.#served.notReady
  }

  get #bees(): number {
    return this.swarms.reduce((sum, { bees }) => sum + bees, 0)
  }

  #closeLater(what: string, close: () => Promise<void>): void {
    this.#closers.push({ what, close })
  }
}

/** The least time for the last commit, in ms, even if open requests have used up the time for a stop. */
const shortestStopMs = 3000
