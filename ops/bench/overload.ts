import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import autocannon, { type AutocannonOptions } from 'autocannon'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import type { Table } from './table.ts'

export interface OverloadBenchmarkOptions {
  readonly minutes: number
  readonly clients: number
}

/**
 * Sends three times the requests that hello-world can answer, then few requests, then none. Shows how soon the process recovers. A row counts the
 * responses by their status, with the latency of the responses with 200. The last table is a burst: 10,000 requests at once on an idle process.
 */
export async function overloadBenchmark({ minutes, clients }: OverloadBenchmarkOptions): Promise<readonly Table[]> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
  const swarm = resolve(import.meta.dirname, '..', '..', 'swarms', 'hello-world', 'swarm.yaml')
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
  const program = await MeasuredProgram.start([main, 'run', swarm, '--json'], env)
  try {
    const url = `${program.ready.gateway}/v1/gateways/hello/request`
    await load({ url, bodies: [body], contentType: 'application/json', clients, seconds: warmUpSeconds })
    const full = await load({ url, bodies: [body], contentType: 'application/json', clients, seconds: warmUpSeconds })
    const quiet = full.perSecond / 10
    const rows: (readonly (string | number)[])[] = []
    const row = async (name: string, rate: number, seconds: number) => {
      const answers = await answersOf(url, {
        connections: rate > full.perSecond ? overloadConnections : clients,
        overallRate: rate,
        duration: seconds,
      })
      const { residentBytes } = program.usage()
      rows.push([name, answers.all / seconds, answers.count(200), answers.count(503), answers.others, ...answers.latency, residentBytes / 2 ** 20])
    }
    await row('a tenth of the full load', quiet, 30)
    for (let minute = 1; minute <= minutes; minute++) await row(`three times the full load, minute ${minute}`, full.perSecond * 3, 60)
    await row('a tenth again, first second', quiet, 1)
    await row('a tenth again, second second', quiet, 1)
    await row('a tenth again, next 28 s', quiet, 28)
    await new Promise<void>((done) => void systemClock.after(silenceSeconds * 1000, done))
    rows.push([`nothing for ${silenceSeconds} s`, 0, 0, 0, 0, '', '', program.usage().residentBytes / 2 ** 20])
    const burst = await answersOf(url, { connections: burstRequests, amount: burstRequests })
    const { residentBytes } = program.usage()
    return [
      {
        title: `hello-world, which answers ${full.perSecond.toFixed(0)} requests/s to ${clients} clients`,
        columns: ['load', 'answers/s', 'status 200', 'status 503', 'other', 'median ms', 'p99 ms', 'resident MiB'],
        rows,
      },
      {
        title: `${burstRequests} requests at once on the idle process`,
        columns: ['status 200', 'status 503', 'other', 'median ms', 'p99 ms', 'resident MiB'],
        rows: [[burst.count(200), burst.count(503), burst.others, ...burst.latency, residentBytes / 2 ** 20]],
      },
    ]
  } finally {
    await program.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** The responses of one load, counted by their status; 0 stands for a connection that failed. */
class Answers {
  readonly #latenciesMs = new Map<number, number[]>()

  add(status: number, latencyMs: number): void {
    const those = this.#latenciesMs.get(status)
    if (those === undefined) this.#latenciesMs.set(status, [latencyMs])
    else those.push(latencyMs)
  }

  count(status: number): number {
    return this.#latenciesMs.get(status)?.length ?? 0
  }

  get all(): number {
    return [...this.#latenciesMs.values()].reduce((sum, { length }) => sum + length, 0)
  }

  /** The number of responses with a status other than 200 and 503. */
  get others(): number {
    return [...this.#latenciesMs].reduce((sum, [status, { length }]) => sum + (status === 200 || status === 503 ? 0 : length), 0)
  }

  /** The median and the 99th percentile of the latency of responses with 200, in ms. */
  get latency(): readonly [number, number] {
    const sorted = (this.#latenciesMs.get(200) ?? []).toSorted((a, b) => a - b)
    const quantile = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
    return [quantile(0.5), quantile(0.99)]
  }
}

/** Sends requests over connections. Each connection waits for its response before it sends again, so if all of them wait, no request is sent. */
async function answersOf(url: string, load: Pick<AutocannonOptions, 'connections' | 'overallRate' | 'duration' | 'amount'>): Promise<Answers> {
  const { pathname, origin } = new URL(url)
  const requests = [{ method: 'POST', path: pathname, headers: { 'content-type': 'application/json' }, body }] as const
  const answers = new Answers()
  const running = autocannon({ url: origin, timeout: patienceSeconds, requests, ...load })
  running.on('response', (_client: unknown, status: number, _bytes: number, latencyMs: number) => answers.add(status, latencyMs))
  const { errors, timeouts } = await running
  for (let failed = errors + timeouts; failed > 0; failed--) answers.add(0, Number.NaN)
  return answers
}

const body = Buffer.from('{"name":"Bea"}')
const warmUpSeconds = 8
const burstRequests = 10_000
/** Longer than V8 waits before it returns unused memory. */
const silenceSeconds = 40
/** The connections of the overload. Requests wait in them if the process is late. With few connections, the load would only be a closed loop. */
const overloadConnections = 1_000
const patienceSeconds = 60
