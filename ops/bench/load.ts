import { Agent, request } from 'node:http'
import autocannon from 'autocannon'
import { systemClock } from '../../connectors/system/system-clock.ts'

export interface LoadOptions {
  /** The address, or several addresses of one server, which get the requests in turn. */
  readonly url: string | readonly string[]
  readonly bodies: readonly Buffer[]
  readonly contentType: string
  /** Further headers. */
  readonly headers?: { readonly [name: string]: string }
  readonly clients: number
  readonly seconds: number
  /** The rate in requests a second. If undefined, each client sends its next request as soon as it has a response. */
  readonly rate?: number
}

export interface LoadResult {
  readonly answered: number
  readonly perSecond: number
  readonly medianMs: number
  readonly p99Ms: number
  /** The latency of each request in ms, in ascending order. */
  readonly latenciesMs: readonly number[]
}

/** Sends requests. A response with a status other than 200 ends the benchmark with an error. */
export function load(options: LoadOptions): Promise<LoadResult> {
  return options.rate === undefined ? closedLoop(options) : openLoop(options, Math.max(1, options.rate))
}

async function closedLoop({ url, bodies, contentType, headers = {}, clients, seconds }: LoadOptions): Promise<LoadResult> {
  const urls = [url].flat().map((one) => new URL(one))
  const latenciesMs: number[] = []
  const running = autocannon({
    url: urls[0]?.origin ?? '',
    connections: clients,
    duration: seconds,
    requests: urls.flatMap(({ pathname }) =>
      bodies.map((body) => ({ method: 'POST', path: pathname, headers: { ...headers, 'content-type': contentType }, body })),
    ),
  })
  running.on('response', (_client: unknown, _status: number, _bytes: number, latencyMs: number) => latenciesMs.push(latencyMs))
  const result = await running
  const bad = result.non2xx + result.errors + result.timeouts
  if (bad > 0) throw new Error(`${bad} of ${result['2xx'] + bad} requests to ${url} failed`)
  return resultOf(latenciesMs, result.duration)
}

/**
 * Sends requests at even intervals, regardless of the duration of the responses. The latency of a request is counted from the time when it was due.
 * autocannon itself would send requests in bursts.
 */
async function openLoop({ url, bodies, contentType, headers = {}, seconds }: LoadOptions, rate: number): Promise<LoadResult> {
  const agent = new Agent({ keepAlive: true })
  const urls = [url].flat()
  const latenciesMs: number[] = []
  const answers: Promise<void>[] = []
  const startedMs = systemClock.elapsedMs()
  for (let sent = 0; sent < rate * seconds; sent++) {
    const dueMs = startedMs + (sent * 1000) / rate
    const earlyMs = dueMs - systemClock.elapsedMs()
    if (earlyMs > 0) await new Promise<void>((resolve) => systemClock.after(earlyMs, resolve))
    const body = bodies[sent % bodies.length] as Buffer
    // A timer may fire a fraction of a millisecond early.
    const fromMs = Math.min(dueMs, systemClock.elapsedMs())
    answers.push(
      post({ agent, url: urls[sent % urls.length] ?? '', headers: { ...headers, 'content-type': contentType }, body }).then(
        () => void latenciesMs.push(systemClock.elapsedMs() - fromMs),
      ),
    )
  }
  await Promise.all(answers)
  agent.destroy()
  return resultOf(latenciesMs, seconds)
}

interface Post {
  readonly agent: Agent
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly body: Buffer
}

function post({ agent, url, headers, body }: Post): Promise<void> {
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${url} answered ${response.statusCode}`))
      response.resume().on('end', resolve)
    })
    sending.on('error', reject).end(body)
  })
}

function resultOf(latenciesMs: number[], seconds: number): LoadResult {
  latenciesMs.sort((a, b) => a - b)
  const quantile = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? Number.NaN
  return { answered: latenciesMs.length, perSecond: latenciesMs.length / seconds, medianMs: quantile(0.5), p99Ms: quantile(0.99), latenciesMs }
}
