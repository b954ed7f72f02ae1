import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Application, type StreamsState } from '../../processor/application/application.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { Log, StateDirectory } from '../../processor/ports.ts'
import { isOfAnother } from '../../processor/task/failures.ts'
import type { FailureDecision } from '../../processor/thread/failure-decision.ts'
import type { Consumed } from '../../topology/consumed.ts'
import type { Topology } from '../../topology/graph.ts'
import type { Produced } from '../../topology/produced.ts'
import { type LagInfo, Query } from '../../topology/queries.ts'
import type { Header, Record, RecordMetadata } from '../../topology/record.ts'
import type { StandbyUpdateListener, StateRestoreListener } from '../../topology/state-listeners.ts'
import { aBoolean, aName, aNumber, instanceOf, listOf, optionsOf, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import { aTopology } from '../../topology/streams/topology-argument.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import { engineFamilies } from '../telemetry/engine-families.ts'
import { exposition } from '../telemetry/exposition.ts'
import { metricsOf } from './application-metrics.ts'
import { applicationOptions, spreadOf } from './application-options.ts'
import { checkAmount, checkConfig } from './checked-config.ts'
import { openOnKafka } from './kafka-cluster.ts'
import { shareEmbeddedLog } from './shared-log.ts'
import { SpacedWarnings } from './spaced-warnings.ts'
import { deleteFolders, expectNobodyIn, stateFolders } from './state-folders.ts'
import { StoreQueries } from './store-queries.ts'
import { loadStreamsModule, urlOf, withModule } from './streams-module.ts'
import { TopicClient } from './topic-client.ts'
import { workerThreads } from './worker-thread-factory.ts'

/**
 * Runs a topology (KafkaStreams in Java).
 *
 *     CREATED ──start──► REBALANCING ──► RUNNING ──close──► PENDING_SHUTDOWN ──► NOT_RUNNING
 *                             │             └──(a failure that nobody takes)──► PENDING_ERROR ──► ERROR
 *                             └──(it cannot start)──► PENDING_ERROR ──► ERROR
 */
export class Streams implements AsyncDisposable {
  readonly #topology: Topology
  readonly #config: StreamsConfig
  readonly #processId = randomUUID()
  readonly #listeners = new Set<(to: StreamsState, from: StreamsState) => void>()
  #restoreListeners: readonly StateRestoreListener[] = []
  #standbyListeners: readonly StandbyUpdateListener[] = []
  #application: Application | null = null
  #client: TopicClient | null = null
  #queries: StoreQueries | null = null
  #closeLog: () => Promise<void> = async () => {}
  #lastFailure: WaggleError | null = null
  readonly #warnings = new SpacedWarnings()
  /** The state while there is no application: before the start, or after a failed start. */
  #stateBefore: StreamsState = 'CREATED'
  #isStarted = false
  #startsPaused = false

  /** Throws WAGGLE_INVALID_CONFIG or WAGGLE_NAME_MISSING before anything is opened. */
  constructor(topology: Topology, config: StreamsConfig) {
    refuseWrong('new Streams', parameters({ topology: aTopology, config: optionsOf({}) }), [topology, config])
    checkConfig(config)
    if (config.ensureExplicitInternalResourceNaming) refuseGeneratedNames(topology)
    this.#topology = topology
    this.#config = config
  }

  get state(): StreamsState {
    return this.#application?.state ?? this.#stateBefore
  }

  /** The metrics of KIP-444. */
  get metrics(): readonly Metric[] {
    return this.#application === null
      ? []
      : metricsOf({ applicationId: this.#config.applicationId, processId: this.#processId }, this.#application, systemClock.now())
  }

  /**
   * Returns the metrics in Prometheus' text format, with the lag of each partition that this process reads. The names are the names that the JMX
   * exporter gives Kafka's metrics; times are in seconds. Works while the log is unreachable, and returns an empty text before the start.
   *
   * @example
   * ```ts
   * createServer((_, response) => {
   *   response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(streams.prometheus())
   * }).listen(9464, '127.0.0.1')
   * ```
   *
   * @remarks Kafka Streams has no such method, because Java has JMX.
   */
  prometheus(): string {
    return exposition(engineFamilies(this.metrics))
  }

  /**
   * The last failure; null if there was none. In the state ERROR, the failure is the reason for the state. Failures are also reported by Node's
   * `warning` event.
   */
  get failure(): WaggleError | null {
    return this.#lastFailure
  }

  /**
   * Starts the application, and settles when it is RUNNING. On the embedded log, missing topics are created with one partition.
   *
   * @example
   * ```ts
   * await streams.start()
   * ```
   *
   * @remarks Fails with WAGGLE_NOT_STARTED and its cause. Then create a new `Streams`. A second call is WAGGLE_ALREADY_STARTED.
   */
  async start(): Promise<void> {
    this.#refuseStarted()
    this.#isStarted = true
    try {
      const application = await this.#prepared()
      if (this.#stateBefore !== 'CREATED') {
        throw new WaggleError('WAGGLE_NOT_RUNNING', {
          message: `The application ${this.#config.applicationId} was closed while it started`,
          next: 'Make a new `Streams` and start that.',
        })
      }
      this.#application = application
      if (this.#startsPaused) this.#application.threads.pause()
      await this.#application.start()
    } catch (error) {
      this.#lastFailure = WaggleError.from('WAGGLE_NOT_STARTED', error, { next: 'See the cause.' })
      if (this.#application === null && this.#stateBefore === 'CREATED') this.#passThrough('PENDING_ERROR', 'ERROR')
      await this.#release()
      throw this.#lastFailure
    }
  }

  async #prepared(): Promise<Application> {
    const { module } = this.#config
    const program = module === undefined ? null : await loadStreamsModule(urlOf(module))
    const config = program === null ? this.#config : withModule(this.#config, this.#topology, program)
    const { log, states, embedded, close } = await this.#openLog()
    this.#closeLog = close
    const defaults = { key: config.defaultKeySerde ?? null, value: config.defaultValueSerde ?? null }
    const client = new TopicClient(log, systemClock, { makesTopics: this.#config.log === 'embedded', defaults })
    this.#client = client
    const topics = await log.topics()
    const onResumed = (error: WaggleError) => this.#warn(error, 'resumed')
    const options = applicationOptions(config, this.#topology, { topics, onResumed })
    const { applicationId } = config
    const { topology } = options
    this.#queries = new StoreQueries({
      applicationId,
      topology,
      secret: config.applicationServerSecret ?? null,
      application: () => this.#application,
    })
    const server = states === null ? undefined : config.applicationServer
    const host = server === undefined ? null : await this.#queries.serve(server)
    const application = new Application({
      ...options,
      log,
      // On Kafka, each worker has its own state directory.
      ...(states === null || module !== undefined ? {} : { states, spread: { ...spreadOf(this.#config), host } }),
      ...(module === undefined
        ? {}
        : { threadElsewhere: workerThreads({ config, topics, topology, log: embedded, host, moduleUrl: urlOf(module), onResumed }) }),
      onFailure: (error) => this.#failed(error),
      listeners: { restore: this.#restoreListeners, standby: this.#standbyListeners },
      onNotice: (notice) => process.emitWarning(notice, 'WaggleWarning'),
      decide: (error) => this.#decide(error),
    })
    application.onStateChange((to, from) => this.#tell(to, from))
    return application
  }

  #failed(error: WaggleError): void {
    this.#lastFailure = error
    this.#warn(error, 'failed')
  }

  /** Emits a Node process warning for each failure and for each record that a handler skips. The same warning is emitted at most once a minute. */
  #warn(error: WaggleError, outcome: 'failed' | 'resumed'): void {
    if (!this.#warnings.isDue(`${outcome} ${error.code}`)) return
    const letter = this.#config.deadLetterTopic === undefined ? '' : `, and is in ${this.#config.deadLetterTopic}`
    const detail = outcome === 'failed' ? error.next : `The handler resumes: the record is left out${letter}.`
    process.emitWarning(error.message, { type: error.code, detail })
  }

  /**
   * Processes the records that have already been read, commits and closes. After `timeoutMs` (default: 30,000) throws WAGGLE_CLOSE_TIMEOUT. Work
   * without a commit is then done again after the next start.
   *
   * @example
   * ```ts
   * process.once('SIGINT', () => streams.close({ timeoutMs: 30_000 }))
   * ```
   *
   * @remarks `await using streams = new Streams(…)` closes it at the end of the block.
   */
  async close({ timeoutMs = usualCloseMs }: { timeoutMs?: number } = {}): Promise<void> {
    checkAmount('timeoutMs', timeoutMs)
    this.#isStarted = true
    // A running start sees the new state, and closes everything that it has opened.
    if (this.#application === null && this.#stateBefore === 'CREATED') this.#passThrough('PENDING_SHUTDOWN', 'NOT_RUNNING')
    try {
      await this.#application?.close({ timeoutMs, waitsForCalls: true })
    } finally {
      await this.#release()
    }
  }

  /**
   * Deletes this application's local state in `stateDir`, before a start or after a close. The next start restores it from the changelogs.
   *
   * @example
   * ```ts
   * await streams.close()
   * await streams.cleanUp()
   * ```
   *
   * @remarks Throws WAGGLE_ALREADY_STARTED while this application runs, and WAGGLE_DATA_DIR_IN_USE while another process has the state open. On the
   * embedded log the log itself has the state, so nothing is deleted.
   */
  async cleanUp(): Promise<void> {
    const { applicationId, log, stateDir = '.waggle' } = this.#config
    const isDone = this.state === 'NOT_RUNNING' || this.state === 'ERROR'
    if (this.#isStarted && !isDone) {
      throw new WaggleError('WAGGLE_ALREADY_STARTED', {
        message: `${applicationId} is ${this.state}, so its state is in use`,
        next: 'Close the application first.',
      })
    }
    if (log === 'embedded') return
    const folders = stateFolders(stateDir, applicationId)
    await expectNobodyIn(folders)
    deleteFolders(folders)
  }

  /** Changes the state and calls the listeners. Needed only while there is no application that would do so. */
  #passThrough(...states: readonly StreamsState[]): void {
    for (const to of states) {
      const from = this.#stateBefore
      this.#stateBefore = to
      this.#tell(to, from)
    }
  }

  #tell(to: StreamsState, from: StreamsState): void {
    for (const listener of this.#listeners) listener(to, from)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Stops processing until `resume` (KIP-834). An application that has not started yet starts paused. A paused application stays in its group.
   *
   * @example
   * ```ts
   * streams.pause()
   * streams.resume()
   * ```
   */
  pause(): void {
    this.#startsPaused = true
    this.#application?.threads.pause()
  }

  /**
   * Continues after `pause`.
   *
   * @example
   * ```ts
   * streams.resume()
   * ```
   */
  resume(): void {
    this.#startsPaused = false
    this.#application?.threads.resume()
  }

  /**
   * Adds a stream thread, and returns its name (KIP-663). Throws WAGGLE_NOT_RUNNING if the application is not running.
   *
   * @example
   * ```ts
   * const name = await streams.addThread()
   * console.log(`${name} takes a share of the tasks`)
   * ```
   *
   * @remarks Threads of one process share one JavaScript thread, unless the application has a `module`.
   */
  async addThread(): Promise<string> {
    const application = this.#running
    if (application.state === 'RUNNING' || application.state === 'REBALANCING') return application.threads.add()
    throw new WaggleError('WAGGLE_NOT_RUNNING', {
      message: `${this.#config.applicationId} is ${application.state}: no thread can be added to it`,
      next: 'Make a new `Streams` and start that.',
    })
  }

  /**
   * Stops a stream thread, and returns its name (KIP-663); null if none was left. Its tasks go to the other threads.
   *
   * @example
   * ```ts
   * console.log(await streams.removeThread())
   * ```
   */
  async removeThread(): Promise<string | null> {
    const application = this.#running
    return application.state === 'RUNNING' || application.state === 'REBALANCING' ? application.threads.remove() : null
  }

  /**
   * Calls the listener with each new state and the state before. Returns a function that removes the listener.
   *
   * @example
   * ```ts
   * const stop = streams.onStateChange((to, from) => console.log(`${from} → ${to}`))
   * stop()
   * ```
   */
  onStateChange(listener: (to: StreamsState, from: StreamsState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Sets the listener for restores. The listener is called for every store that is restored from its changelog before its task runs. A later call
   * replaces the listener. Throws WAGGLE_ALREADY_STARTED after the start, and WAGGLE_INVALID_CONFIG with a `module`.
   *
   * @example
   * ```ts
   * streams.setGlobalStateRestoreListener({
   *   onRestoreEnd: ({ store, partition, totalRestored }) => console.log(`${store}-${partition}: ${totalRestored} records`),
   * })
   * ```
   *
   * @remarks On the embedded log stores need no restore, and the listener is not called.
   */
  setGlobalStateRestoreListener(listener: StateRestoreListener): void {
    this.#refuseListener()
    this.#restoreListeners = [listener]
  }

  /**
   * Sets the listener for updates of standby stores, which are this process's copies of other processes' stores (KIP-988). Throws the same errors as
   * `setGlobalStateRestoreListener`.
   *
   * @example
   * ```ts
   * streams.setStandbyUpdateListener({ onBatchLoaded: ({ store, batchSize }) => console.log(`${store}: ${batchSize} records`) })
   * ```
   */
  setStandbyUpdateListener(listener: StandbyUpdateListener): void {
    this.#refuseListener()
    this.#standbyListeners = [listener]
  }

  #refuseListener(): void {
    this.#refuseStarted()
    if (this.#config.module === undefined) return
    throw new WaggleError('WAGGLE_INVALID_CONFIG', {
      message: 'With a module stores are restored in workers, which a listener in this thread would not hear of',
      next: 'Use the metrics instead of the listener, or remove the module.',
    })
  }

  /**
   * Queries a store, and returns one answer for each partition (KIP-796). With an `applicationServer`, partitions of other processes are queried too.
   * Throws WAGGLE_STORE_UNKNOWN, WAGGLE_STORE_MIGRATED or WAGGLE_QUERY_NOT_SUPPORTED.
   *
   * @example
   * ```ts
   * const answers = await streams.query({ store: 'clicks-by-user', query: KeyQuery.withKey<string, number>('anna') })
   * const clicksOfAnna = [...answers.values()].find((count) => count !== null) ?? 0
   * console.log(clicksOfAnna)
   * ```
   *
   * @remarks The answer has the state of the last commit or a newer state. WAGGLE_STORE_MIGRATED means that the task is moving: try again. With
   * `enableStaleStores` copies may answer too (KIP-535), in this order: this process's standbys and states that are being restored, the process that
   * runs the task, the standbys of other processes. `allLocalStorePartitionLags` says how far copies are behind.
   */
  async query<R>(request: {
    store: string
    query: Query<R>
    partitions?: readonly number[]
    enableStaleStores?: boolean
  }): Promise<ReadonlyMap<number, R>> {
    refuseWrong('Streams.query', parameters({ request: aQueryRequest }), [request])
    const { store, query, partitions = null, enableStaleStores = false } = request
    const question = { store, request: query.request, partitions, allowsStale: enableStaleStores }
    return (await (this.#queries ?? this.#running.stores).query(question)) as ReadonlyMap<number, R>
  }

  /**
   * Returns, for each store and partition, the number of records that the stores of this process still lack from their changelogs (KIP-535). A
   * running task has no lag. On the embedded log there is never a lag.
   *
   * @example
   * ```ts
   * for (const [store, partitions] of await streams.allLocalStorePartitionLags())
   *   for (const [partition, { offsetLag }] of partitions) console.log(`${store}-${partition} is ${offsetLag} records behind`)
   * ```
   */
  async allLocalStorePartitionLags(): Promise<ReadonlyMap<string, ReadonlyMap<number, LagInfo>>> {
    return this.#running.stores.lags()
  }

  /**
   * Writes a record to a topic, and settles when it is durable. The default timestamp is the current time. Records without a key go to the partitions
   * in turn. Kafka Streams has no such method.
   *
   * @example
   * ```ts
   * await streams.send('lines', { key: null, value: 'to be or not to be' }, Produced.with(text, text))
   * ```
   *
   * @remarks The embedded log has no other clients, so its input comes from here. On Kafka any producer can be used. The record is not part of a
   * commit.
   */
  async send<K, V>(
    topic: string,
    record: { key: K | null; value: V | null; timestamp?: number; headers?: readonly Header[] },
    produced: Produced<K, V>,
  ): Promise<RecordMetadata> {
    return this.#topics.send(topic, record, produced as unknown as Produced<unknown, unknown>)
  }

  /**
   * Returns the committed records of a topic, beginning with the first, and waits for more until the loop ends. Kafka Streams has no such method.
   *
   * @example
   * ```ts
   * for await (const { key, value } of streams.records('counts', Consumed.with(text, Serdes.long()))) {
   *   console.log(key, value)
   *   if (value === 10) break
   * }
   * ```
   *
   * @remarks Only a `break` or an error ends the loop.
   */
  records<K, V>(topic: string, consumed: Consumed<K, V>): AsyncIterable<Record<K, V> & RecordMetadata> {
    return this.#topics.records(topic, consumed)
  }

  async #openLog(): Promise<OpenLog> {
    const { log, stateDir = '.waggle' } = this.#config
    if (log !== 'embedded') return { ...(await openOnKafka({ ...this.#config, log })), embedded: null }
    const shared = await shareEmbeddedLog(join(stateDir, 'log'))
    return { ...shared, states: null, embedded: shared.log }
  }

  get #running(): Application {
    if (this.#application !== null) return this.#application
    throw new WaggleError('WAGGLE_NOT_RUNNING', { message: `${this.#config.applicationId} was not started`, next: 'Await start first.' })
  }

  get #topics(): TopicClient {
    if (this.#client !== null) return this.#client
    throw new WaggleError('WAGGLE_NOT_RUNNING', { message: `${this.#config.applicationId} does not run`, next: 'Await start first.' })
  }

  #refuseStarted(): void {
    if (!this.#isStarted) return
    throw new WaggleError('WAGGLE_ALREADY_STARTED', {
      message: `${this.#config.applicationId} was started or closed before`,
      next: 'Make a new `Streams` and start that.',
    })
  }

  #decide(error: WaggleError): FailureDecision {
    // The application continues after a failure of another process, and while a service does not respond, because these are not its own failures.
    if (isOfAnother(error) || error instanceof Unavailable) return 'goOn'
    return (this.#config.uncaughtExceptionHandler?.(error) ?? 'SHUTDOWN_CLIENT') === 'REPLACE_THREAD' ? 'goOn' : 'stop'
  }

  async #release(): Promise<void> {
    const [client, close] = [this.#client, this.#closeLog]
    this.#client = null
    this.#closeLog = async () => {}
    await this.#queries?.close()
    await client?.close()
    await close()
  }
}

interface OpenLog {
  readonly log: Log
  /** The state directory of this process; null if the log itself keeps the state. */
  readonly states: StateDirectory | null
  /** The embedded log, if it is in this process; null on Kafka. */
  readonly embedded: EmbeddedLog | null
  close(): Promise<void>
}

const usualCloseMs = 30_000

function refuseGeneratedNames(topology: Topology): void {
  const made = [...topology.stores.keys(), ...topology.internalTopics.keys()].filter((name) => /-\d{10}(-|$)/.test(name))
  if (made.length === 0) return
  throw new WaggleError('WAGGLE_NAME_MISSING', {
    message: `Names that were made up change when the program does: ${made.join(', ')}`,
    next: 'Name these stores and topics, with Materialized.as, Grouped, Joined, StreamJoined or Repartitioned.',
  })
}

const aQueryRequest = optionsOf(
  {
    store: aName,
    query: instanceOf('a Query, such as KeyQuery.withKey(key)', Query),
    partitions: listOf('numbers', aNumber),
    enableStaleStores: aBoolean,
  },
  ['store', 'query'],
)
