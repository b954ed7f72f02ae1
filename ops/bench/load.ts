import autocannon from 'autocannon'

export interface LoadOptions {
  readonly url: string
  readonly bodies: readonly Buffer[]
  readonly contentType: string
  readonly clients: number
  readonly seconds: number
  /** Requests a second; without it each client sends its next as soon as it has been answered. */
  readonly rate?: number
}

export interface LoadResult {
  readonly answered: number
  readonly perSecond: number
  readonly medianMs: number
  readonly p99Ms: number
}

/** Sends, and fails where anything but 200 comes back: a benchmark of errors says nothing. */
export async function load({ url, bodies, contentType, clients, seconds, rate }: LoadOptions): Promise<LoadResult> {
  const { pathname, origin } = new URL(url)
  const latenciesMs: number[] = []
  const running = autocannon({
    url: origin,
    connections: clients,
    duration: seconds,
    ...(rate === undefined ? {} : { overallRate: Math.max(1, Math.round(rate)) }),
    requests: bodies.map((body) => ({ method: 'POST', path: pathname, headers: { 'content-type': contentType }, body })),
  })
  running.on('response', (_client: unknown, _status: number, _bytes: number, latencyMs: number) => latenciesMs.push(latencyMs))
  const result = await running
  const bad = result.non2xx + result.errors + result.timeouts
  if (bad > 0) throw new Error(`${bad} of ${result['2xx'] + bad} requests to ${url} failed`)
  latenciesMs.sort((a, b) => a - b)
  const quantile = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? Number.NaN
  return { answered: result['2xx'], perSecond: result['2xx'] / result.duration, medianMs: quantile(0.5), p99Ms: quantile(0.99) }
}
