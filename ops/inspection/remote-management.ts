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
import type { RequestTrace } from '../../topology/swarm/request/request-trace.ts'
import { environmentToken } from './bearer.ts'
import { answerMs, callServer, unreachable } from './server-call.ts'

/** The management of a running process through its HTTP port: the topics, dead letters and traces in its log, and its models. */
export class RemoteManagement implements LogManagement {
  readonly instance: string
  readonly url: string
  readonly token: string
  readonly #closed = new AbortController()

  private constructor(url: string, instance: string, token: string) {
    this.url = url
    this.instance = instance
    this.token = token
  }

  /** Connects to a process. Throws WAGGLE_UNREACHABLE if no Waggle answers at the address. `token` is a bearer token; empty for no token. */
  static async open(url: string, token = environmentToken()): Promise<RemoteManagement> {
    const base = url.replace(/\/+$/, '')
    const { instance } = (await callServer({ url: base, token }, { method: 'GET', path: '/v1/process' })) as { readonly instance?: unknown }
    if (typeof instance !== 'string') throw unreachable(base, 'it is not a Waggle that can be managed', undefined)
    return new RemoteManagement(base, instance, token)
  }

  async clickhouseUrl(): Promise<string | null> {
    const { clickhouse_url: url } = (await this.#call('GET', '/v1/process')) as { readonly clickhouse_url?: unknown }
    return typeof url === 'string' ? url : null
  }

  topics(): Promise<readonly TopicRow[]> {
    return this.#call('GET', '/v1/topics') as Promise<readonly TopicRow[]>
  }

  records(topic: string, { from, max, waitMs }: PageOptions): Promise<RecordPage> {
    const query = new URLSearchParams({ from, max: String(max), wait_seconds: String(Math.floor(waitMs / 1000)) })
    return this.#call('GET', `/v1/topics/${encodeURIComponent(topic)}/records?${query}`, waitMs) as Promise<RecordPage>
  }

  deadLetters(options: DeadLetterOptions): Promise<DeadLetterPage> {
    return this.#call('GET', `/v1/dead-letters?${queryOf(options)}`) as Promise<DeadLetterPage>
  }

  deadLetter(id: string): Promise<DeadLetter> {
    return this.#call('GET', `/v1/dead-letters/${encodeURIComponent(id)}`) as Promise<DeadLetter>
  }

  retry(id: string): Promise<Retried> {
    return this.#call('POST', `/v1/dead-letters/${encodeURIComponent(id)}/retry`) as Promise<Retried>
  }

  async discard(id: string): Promise<void> {
    await this.#call('DELETE', `/v1/dead-letters/${encodeURIComponent(id)}`)
  }

  settle(verb: 'retry' | 'discard', options: DeadLetterOptions): Promise<SettledLetters> {
    return this.#call('POST', `/v1/dead-letters/${verb}?${queryOf(options)}`, settleMs) as Promise<SettledLetters>
  }

  replay(swarm: string, options: ReplayOptions): Promise<ReplayPage> {
    return this.#call('POST', `/v1/swarms/${encodeURIComponent(swarm)}/replay?${queryOf(options)}`, settleMs) as Promise<ReplayPage>
  }

  requests(options: RequestListOptions): Promise<RequestPage> {
    return this.#call('GET', `/v1/requests?${queryOf(options)}`) as Promise<RequestPage>
  }

  trace(id: string): Promise<RequestTrace> {
    return this.#call('GET', `/v1/requests/${encodeURIComponent(id)}/trace`) as Promise<RequestTrace>
  }

  models(): Promise<readonly ModelRow[]> {
    return this.#call('GET', '/v2/models') as Promise<readonly ModelRow[]>
  }

  reloadModel(swarm: string, bee: string): Promise<ModelRow> {
    return this.#call('POST', `/v2/models/${encodeURIComponent(swarm)}/bees/${encodeURIComponent(bee)}/reload`, reloadMs) as Promise<ModelRow>
  }

  async close(): Promise<void> {
    this.#closed.abort()
  }

  async #call(method: string, path: string, waitMs = 0): Promise<unknown> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(answerMs + waitMs)])
    return callServer(this, { method, path, signal })
  }
}

function queryOf(options: object): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(options)) if (value !== null && value !== undefined) query.set(name, String(value))
  return query
}

/** The time limit of a page of letters that are retried, or of requests that are replayed, in ms. */
const settleMs = 120_000

/** The time limit of a reload, in ms. A model has 15 minutes to open on a GPU. */
const reloadMs = 15 * 60_000
