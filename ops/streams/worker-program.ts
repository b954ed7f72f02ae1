import { parentPort, workerData } from 'node:worker_threads'
import { openLentState } from '../../connectors/log/embedded/stored-state.ts'
import { RemoteLog } from '../../connectors/log/remote/remote-log.ts'
import { PortPeer, type Serving } from '../../connectors/system/port-peer.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { packError } from '../../connectors/system/wire-error.ts'
import { Application } from '../../processor/application/application.ts'
import type { ApplicationOptions } from '../../processor/application/options.ts'
import { isShort, QueryWire, type WireRow } from '../../processor/application/query-wire.ts'
import type { FailureDecision } from '../../processor/thread/failure-decision.ts'
import type { StoreSpec } from '../../topology/state-store.ts'
import type { Sasl } from '../../topology/streams-config.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { applicationOptions, spreadOf } from './application-options.ts'
import { openOnKafka } from './kafka-cluster.ts'
import { SpacedWarnings } from './spaced-warnings.ts'
import { loadStreamsModule } from './streams-module.ts'
import { decisions, type SomeRows, type StarterCalls, type StreamWorkerData, type WorkerCalls } from './worker-protocol.ts'

/** One stream thread in a worker: an application with one thread, on the log of the thread that has started the worker. */
class StreamWorker {
  readonly #data: StreamWorkerData
  readonly #starter: PortPeer<StarterCalls>
  readonly #answers = new Map<number, AsyncIterator<WireRow>>()
  #answered = 0
  #stores: ReadonlyMap<string, StoreSpec> = new Map()
  #application: Application | null = null
  #started: Promise<void> = Promise.resolve()
  #close: () => Promise<void> = async () => {}

  constructor(port: NonNullable<typeof parentPort>, data: StreamWorkerData) {
    this.#data = data
    this.#starter = new PortPeer(port, this.#calls)
  }

  readonly #calls: Serving<WorkerCalls> = {
    start: ({ isPaused }) => {
      this.#started = this.#start(isPaused)
      return this.#started
    },
    pause: () => this.#application?.threads.pause(),
    resume: () => this.#application?.threads.resume(),
    stop: async (close) => {
      // A restore may take long, so an application with its own log is closed even during its start, as soon as it is created.
      if (this.#application === null || this.#data.lent !== null) await this.#started.catch(() => {})
      if (close === null && this.#application?.state === 'RUNNING') await this.#application.threads.remove()
      try {
        await this.#application?.close(close ?? { timeoutMs: 0 })
      } finally {
        this.#measure()
        await this.#close()
      }
    },
    hosts: ({ store, partition }) => this.#application?.stores.hostsOf(store, partition) ?? { active: null, standbys: [] },
    lags: () => this.#application?.stores.lagsHere() ?? [],
    query: (question) => {
      const wire = this.#wireOf(question.store)
      const asked = wire.readRequest(question.request)
      const answers = [...this.#running.stores.queryHere({ ...question, request: asked })]
      return Promise.all(
        answers.map(async ([partition, answer]) => {
          const number = this.#answered++
          this.#answers.set(number, wire.writeAnswer(asked.kind, answer)[Symbol.asyncIterator]())
          return { partition, number, whole: isShort(asked.kind) ? await this.#rows(number, Number.POSITIVE_INFINITY) : null }
        }),
      )
    },
    rows: (number) => this.#rows(number, rowsAtOnce),
    leaveRows: async (number) => {
      await this.#answers.get(number)?.return?.()
      this.#answers.delete(number)
    },
  }

  async #start(isPaused: boolean): Promise<void> {
    const { moduleUrl, threadName, settings, topics } = this.#data
    const { topology, handlers } = await loadStreamsModule(moduleUrl)
    const warnings = new SpacedWarnings()
    const onResumed = (error: WaggleError) => warnings.isDue(error.code) && this.#starter.tell('resumed', packError(error))
    const options = applicationOptions({ ...settings, ...handlers }, topology, { topics, onResumed })
    this.#stores = options.topology.stores
    const application = new Application({
      ...options,
      threads: 1,
      ...(await this.#openLog()),
      isElsewhere: { threadName },
      onFailure: (error) => this.#starter.tell('failed', packError(error)),
      decide: (error) => this.#decide(error),
    })
    this.#application = application
    if (isPaused) application.threads.pause()
    try {
      await application.start()
    } catch (error) {
      await this.#close().catch(() => {})
      throw error
    }
    const tellIfStopped = () => application.state === 'ERROR' && this.#starter.tell('stopped', null)
    application.onStateChange(tellIfStopped)
    tellIfStopped()
    this.#measure()
    this.#measureAgain()
  }

  /** Opens the log of this worker. It is the log that the starting thread lends. On Kafka it is a separate client, with a state directory. */
  async #openLog(): Promise<Pick<ApplicationOptions, 'log' | 'states' | 'spread'>> {
    const { lent, threadName, settings, host, asksForTokens } = this.#data
    if (lent !== null) return { log: new RemoteLog({ port: lent.log, state: await openLentState(lent.handle), clock: systemClock }) }
    if (settings.log === 'embedded')
      throw new WaggleError('WAGGLE_INTERNAL', { message: 'The main thread has lent no log to this worker', next: 'Report this as a bug.' })
    const sasl: { sasl?: Sasl } = asksForTokens ? { sasl: { mechanism: 'oauthbearer', token: () => this.#starter.call('token', null) } } : {}
    const { log, states, close } = await openOnKafka({ ...settings, log: { kafka: { ...settings.log.kafka, ...sasl } } }, { stateName: threadName })
    let closing: Promise<void> | null = null
    this.#close = () => {
      closing ??= close()
      return closing
    }
    return { log, states, spread: { ...spreadOf(settings), host } }
  }

  async #rows(number: number, limit: number): Promise<SomeRows> {
    const answer = this.#answers.get(number)
    const rows: WireRow[] = []
    while (rows.length < limit) {
      const next = await answer?.next()
      if (next === undefined || next.done) {
        this.#answers.delete(number)
        return { rows, isDone: true }
      }
      rows.push(next.value)
    }
    return { rows, isDone: false }
  }

  /**
   * Asks the thread that started this worker for a decision, and blocks until the decision arrives. The wait cannot deadlock, because the starting
   * thread never blocks to wait for a worker.
   */
  #decide(error: WaggleError): FailureDecision {
    const answer = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    this.#starter.tell('decide', { error: packError(error), answer })
    Atomics.wait(answer, 0, decisions.none)
    return Atomics.load(answer, 0) === decisions.goOn ? 'goOn' : 'stop'
  }

  #measureAgain(): void {
    systemClock.after(measuringMs, () => {
      this.#measure()
      if (this.#application?.state === 'RUNNING') this.#measureAgain()
    })
  }

  #measure(): void {
    this.#starter.tell('measured', this.#application?.metrics(systemClock.now()) ?? [])
  }

  #wireOf(name: string): QueryWire {
    const store = this.#stores.get(name)
    if (store === undefined || store.kind === 'custom')
      throw new WaggleError('WAGGLE_STORE_UNKNOWN', { message: `There is no store ${name} to ask`, next: 'Name a store of this topology.' })
    return new QueryWire(store, changelogTopic(this.#data.settings.applicationId, name))
  }

  get #running(): Application {
    if (this.#application !== null) return this.#application
    throw new WaggleError('WAGGLE_NOT_RUNNING', { message: `${this.#data.threadName} has not started yet`, next: 'Ask again in a moment.' })
  }
}

const measuringMs = 1000
const rowsAtOnce = 512

if (parentPort !== null) new StreamWorker(parentPort, workerData as StreamWorkerData)
