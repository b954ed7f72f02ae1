import type { EmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import type { Serving } from '../../connectors/system/port-peer.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { unpackError } from '../../connectors/system/wire-error.ts'
import type { CloseOptions } from '../../processor/application/options.ts'
import { QueryWire, type WireRow } from '../../processor/application/query-wire.ts'
import type { TaskHost } from '../../processor/assignment/task-hosts.ts'
import type { Metric } from '../../processor/metrics/meters.ts'
import type { StoreLag } from '../../processor/state/task-states.ts'
import type { FailureDecision } from '../../processor/thread/failure-decision.ts'
import type { ThreadState } from '../../processor/thread/stream-thread.ts'
import type { ThreadElsewhere, ThreadElsewhereOptions } from '../../processor/thread/thread-elsewhere.ts'
import type { Topology } from '../../topology/graph.ts'
import type { StoreQuestion } from '../../topology/queries.ts'
import { changelogTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { RunningWorker } from './running-worker.ts'
import { decisions, type NumberedAnswer, type SomeRows, type StarterCalls, type WorkerSettings } from './worker-protocol.ts'

export interface WorkerThreadOptions extends ThreadElsewhereOptions {
  /** The log that workers share; null if each worker opens the log of the settings itself. */
  readonly log: EmbeddedLog | null
  /** The address of the process for interactive queries; null if the process does not answer queries. */
  readonly host: string | null
  /** Returns a token for Kafka; null if clients do not sign in by tokens. */
  readonly token: (() => Promise<string>) | null
  readonly moduleUrl: string
  readonly settings: WorkerSettings
  readonly onResumed: (error: WaggleError) => void
  /** The topics of the log when the application started. */
  readonly topics: readonly string[]
  /** The running application's topology, whose stores can be queried. */
  readonly topology: Topology
}

/**
 * A stream thread that runs in a worker. If a worker dies, a new worker continues from the last commit. After three deaths without a commit in
 * between, `decide` is called.
 */
export class WorkerThread implements ThreadElsewhere {
  readonly #options: WorkerThreadOptions
  #worker: RunningWorker | null = null
  #state: ThreadState = 'CREATED'
  #metrics: readonly Metric[] = []
  #isPaused = false
  #isStopping = false
  /** The number of workers that have died since the last commit. */
  #deaths = 0
  #endWait = () => {}

  constructor(options: WorkerThreadOptions) {
    this.#options = options
  }

  get name(): string {
    return this.#options.name
  }

  get state(): ThreadState {
    return this.#state
  }

  get metrics(): readonly Metric[] {
    return this.#metrics
  }

  pause(): void {
    this.#isPaused = true
    this.#worker?.peer.tell('pause', null)
  }

  resume(): void {
    this.#isPaused = false
    this.#worker?.peer.tell('resume', null)
  }

  async start(): Promise<void> {
    this.#state = 'STARTING'
    try {
      void this.#keepGoing(await this.#startWorker())
    } catch (error) {
      this.#state = 'DEAD'
      throw error
    }
    this.#state = 'RUNNING'
  }

  async stop(close?: CloseOptions): Promise<void> {
    this.#isStopping = true
    this.#state = 'PENDING_SHUTDOWN'
    this.#endWait()
    const worker = this.#worker
    if (worker !== null) {
      const stopped = worker.peer.call('stop', close ?? null).catch((error: WaggleError) => {
        // A worker that dies during the stop loses only uncommitted work, which is done again after the next start.
        if (error.code !== 'WAGGLE_WORKER_DIED') throw error
        this.#options.onFailure(error)
      })
      try {
        await this.#withinMs((close?.timeoutMs ?? longStopMs) + graceMs, [stopped, worker.ended])
      } finally {
        stopped.catch(() => {})
        await worker.end()
        await worker.ended
        this.#state = 'DEAD'
      }
    }
    this.#state = 'DEAD'
  }

  async query(question: StoreQuestion): Promise<ReadonlyMap<number, unknown>> {
    const { topology, settings } = this.#options
    const { store: name, request } = question
    const store = topology.stores.get(name)
    const worker = this.#worker
    if (worker === null || store === undefined || store.kind === 'custom') return new Map()
    const wire = new QueryWire(store, changelogTopic(settings.applicationId, name))
    const answers = await worker.peer.call('query', { ...question, request: wire.writeRequest(request) }).catch((error: WaggleError) => {
      // The worker's partitions are moving to other workers, so this worker has no answers.
      if (error.code === 'WAGGLE_WORKER_DIED' || error.code === 'WAGGLE_NOT_RUNNING') return []
      throw error
    })
    const read = answers.map(async (answer) => [answer.partition, await wire.readAnswer(request.kind, rowsOf(worker, answer))] as const)
    return new Map(await Promise.all(read))
  }

  async hostsOf(store: string, partition: number): Promise<TaskHost> {
    return (await this.#worker?.peer.call('hosts', { store, partition }).catch(() => null)) ?? { active: null, standbys: [] }
  }

  async lags(): Promise<readonly StoreLag[]> {
    return (await this.#worker?.peer.call('lags', null).catch(() => null)) ?? []
  }

  async #startWorker(): Promise<RunningWorker> {
    const { log, host, token, moduleUrl, name: threadName, settings, topics } = this.#options
    const data = { moduleUrl, threadName, settings, topics, host, asksForTokens: token !== null }
    this.#metrics = []
    const worker = await RunningWorker.start({ log, data, calls: this.#calls })
    this.#worker = worker
    try {
      if (this.#isStopping) throw this.#stopped()
      await worker.peer.call('start', { isPaused: this.#isPaused })
      // The pause or resume is sent again, because it may have been sent during the start, before the worker listened.
      worker.peer.tell(this.#isPaused ? 'pause' : 'resume', null)
      return worker
    } catch (error) {
      await worker.end()
      await worker.ended
      throw error
    }
  }

  /** Runs one worker after the other until the thread is stopped. */
  async #keepGoing(first: RunningWorker): Promise<void> {
    let worker: RunningWorker | null = first
    while (!this.#isStopping) {
      try {
        worker ??= await this.#startWorker()
        this.#state = 'RUNNING'
        const error = await worker.ended
        if (!worker.endedByLog && !(await this.#goesOnAfter(error, worker.commits ?? commitsIn(this.#metrics)))) return
      } catch (error) {
        if (!(await this.#goesOnAfter(WaggleError.from('WAGGLE_WORKER_FAILED', error, { next: 'See the cause.' }), 0))) return
      }
      worker = null
    }
  }

  /** True if another worker takes over. Waits before the take-over, and longer with each further death. */
  async #goesOnAfter(error: WaggleError, commits: number): Promise<boolean> {
    if (this.#isStopping) return false
    this.#state = 'STARTING'
    const { onFailure, decide, onStopped } = this.#options
    onFailure(error)
    this.#deaths = commits > 0 ? 1 : this.#deaths + 1
    if (this.#deaths >= maxDeaths && decide(error) === 'stop') {
      this.#state = 'DEAD'
      this.#worker = null
      onStopped()
      return false
    }
    const delayMs = Math.min(maxBackOffMs, backOffMs * 2 ** Math.min(10, this.#deaths - 1))
    await new Promise<void>((resolve) => {
      const cancel = systemClock.after(delayMs, resolve)
      this.#endWait = () => {
        cancel()
        resolve()
      }
    })
    return !this.#isStopping
  }

  readonly #calls: Serving<StarterCalls> = {
    failed: (error) => this.#options.onFailure(unpackError(error)),
    resumed: (error) => this.#options.onResumed(unpackError(error)),
    decide: ({ error, answer }) => {
      let decision: FailureDecision = 'stop'
      try {
        decision = this.#options.decide(unpackError(error))
      } catch (thrown) {
        this.#options.onFailure(WaggleError.from('WAGGLE_HANDLER_FAILED', thrown, { next: 'Correct the uncaughtExceptionHandler.' }))
      }
      Atomics.store(answer, 0, decisions[decision])
      Atomics.notify(answer, 0)
    },
    stopped: () => this.#options.onStopped(),
    measured: (metrics) => {
      this.#metrics = metrics
    },
    token: async () => (await this.#options.token?.()) ?? '',
  }

  /** Settles when the first of the promises settles, or when the time has passed. */
  async #withinMs(timeoutMs: number, awaited: readonly Promise<unknown>[]): Promise<void> {
    let cancel = () => {}
    const late = new Promise<void>((resolve) => {
      cancel = systemClock.after(timeoutMs, resolve)
    })
    await Promise.race([...awaited, late]).finally(() => cancel())
  }

  #stopped(): WaggleError {
    return new WaggleError('WAGGLE_NOT_RUNNING', { message: `${this.name} was stopped while it started`, next: 'Nothing.' })
  }
}

/** The number of commits of a worker, from its last metrics. A worker that dies within its first second has sent no metrics. */
function commitsIn(metrics: readonly Metric[]): number {
  return metrics.find(({ group, name }) => group === 'stream-thread-metrics' && name === 'commit-total')?.value ?? 0
}

async function* rowsOf({ peer }: RunningWorker, { number, whole }: NumberedAnswer): AsyncIterable<WireRow> {
  if (whole !== null) return yield* whole.rows
  let isDone = false
  try {
    while (!isDone) {
      const answered: SomeRows = await peer.call('rows', number)
      isDone = answered.isDone
      yield* answered.rows
    }
  } finally {
    if (!isDone) peer.tell('leaveRows', number)
  }
}

const maxDeaths = 3
const backOffMs = 50
const maxBackOffMs = 5000
/** The longest time, in ms, for the stop of a worker if the caller sets no time. */
const longStopMs = 30_000
const graceMs = 2000
