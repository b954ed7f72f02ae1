import type {
  DeadLetter,
  DeadLetterOptions,
  DeadLetterPage,
  Management,
  ModelRow,
  PageOptions,
  RecordPage,
  Retried,
  TopicRow,
} from '../../topology/swarm/management.ts'
import type { RequestTrace } from '../../topology/swarm/request/request-trace.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { problemOf } from './http-problem.ts'

/** Topics and dead letters of the log of a running process, through its HTTP port. */
export class RemoteManagement implements Management {
  readonly instance: string
  readonly url: string
  readonly #closed = new AbortController()

  private constructor(url: string, instance: string) {
    this.url = url
    this.instance = instance
  }

  /** Throws WAGGLE_UNREACHABLE if no Waggle answers at the address. */
  static async open(url: string): Promise<RemoteManagement> {
    const base = url.replace(/\/+$/, '')
    const { instance } = (await answerOf(await send(base, `${base}/v1/process`, { signal: AbortSignal.timeout(answerMs) }))) as {
      readonly instance?: unknown
    }
    if (typeof instance !== 'string') throw unreachable(base, 'it is not a Waggle that can be managed', undefined)
    return new RemoteManagement(base, instance)
  }

  topics(): Promise<readonly TopicRow[]> {
    return this.#call('GET', '/v1/topics') as Promise<readonly TopicRow[]>
  }

  records(topic: string, { from, max, waitMs }: PageOptions): Promise<RecordPage> {
    const query = new URLSearchParams({ from, max: String(max), wait_seconds: String(Math.floor(waitMs / 1000)) })
    return this.#call('GET', `/v1/topics/${encodeURIComponent(topic)}/records?${query}`, waitMs) as Promise<RecordPage>
  }

  deadLetters({ swarm, max, after }: DeadLetterOptions): Promise<DeadLetterPage> {
    const query = new URLSearchParams({ max: String(max), ...(swarm === null ? {} : { swarm }), ...(after === null ? {} : { after }) })
    return this.#call('GET', `/v1/dead-letters?${query}`) as Promise<DeadLetterPage>
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
    return answerOf(await send(this.url, `${this.url}${path}`, { method, signal }))
  }
}

async function answerOf(response: Response): Promise<unknown> {
  const bytes = Buffer.from(await response.arrayBuffer())
  if (!response.ok) throw problemOf(response, bytes)
  return bytes.length === 0 ? null : (JSON.parse(bytes.toString()) as unknown)
}

async function send(origin: string, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (thrown) {
    const { cause, name } = thrown as { readonly cause?: { readonly code?: string; readonly message?: string }; readonly name?: string }
    throw unreachable(origin, cause?.code ?? cause?.message ?? name ?? String(thrown), thrown)
  }
}

function unreachable(origin: string, why: string, cause: unknown): WaggleError {
  return new WaggleError('WAGGLE_UNREACHABLE', {
    message: `${origin} cannot be reached (${why})`,
    next: 'Start a swarm with `waggle run FILE`, or say with --url where it runs.',
    cause,
  })
}

const answerMs = 30_000
/** A model has 15 minutes to open on a GPU. */
const reloadMs = 15 * 60_000
