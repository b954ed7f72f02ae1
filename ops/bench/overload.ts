import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { load } from './load.ts'
import { MeasuredProgram } from './measured-program.ts'
import type { Table } from './table.ts'

export interface OverloadBenchmarkOptions {
  readonly minutes: number
  readonly clients: number
}

/**
 * Sends three times the requests that hello-world can answer, then few, and shows how soon the process is as it was before. A row counts the
 * answers by their status, and has the latency of those with 200. The last table is a burst: 10,000 requests at once on an idle process.
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
      const answers = await sendEvenly(url, rate, seconds)
      const { residentBytes } = program.usage()
      rows.push([name, answers.sent / seconds, answers.count(200), answers.count(503), answers.others, ...answers.latency, residentBytes / 2 ** 20])
    }
    await row('a tenth of the full load', quiet, 30)
    for (let minute = 1; minute <= minutes; minute++) await row(`three times the full load, minute ${minute}`, full.perSecond * 3, 60)
    await row('a tenth again, first second', quiet, 1)
    await row('a tenth again, second second', quiet, 1)
    await row('a tenth again, next 28 s', quiet, 28)
    const burst = await sendAtOnce(url, burstRequests)
    const { residentBytes } = program.usage()
    return [
      {
        title: `hello-world, which answers ${full.perSecond.toFixed(0)} requests/s to ${clients} clients`,
        columns: ['load', 'sent/s', 'status 200', 'status 503', 'other', 'median ms', 'p99 ms', 'resident MiB'],
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

/** The answers of one load by their status; 0 stands for a connection that failed. */
class Answers {
  readonly #latenciesMs = new Map<number, number[]>()
  sent = 0

  add(status: number, latencyMs: number): void {
    const those = this.#latenciesMs.get(status)
    if (those === undefined) this.#latenciesMs.set(status, [latencyMs])
    else those.push(latencyMs)
  }

  count(status: number): number {
    return this.#latenciesMs.get(status)?.length ?? 0
  }

  /** The number of answers with any status but 200 and 503. */
  get others(): number {
    return [...this.#latenciesMs].reduce((sum, [status, { length }]) => sum + (status === 200 || status === 503 ? 0 : length), 0)
  }

  /** The median and the 99th percentile of the answers with 200, in ms. */
  get latency(): readonly [number, number] {
    const sorted = (this.#latenciesMs.get(200) ?? []).toSorted((a, b) => a - b)
    const quantile = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
    return [quantile(0.5), quantile(0.99)]
  }
}

/** Sends requests at even intervals, however long the answers take. A sender that is late sends what is due, so that the rate stays. */
async function sendEvenly(url: string, rate: number, seconds: number): Promise<Answers> {
  const agent = new Agent({ keepAlive: true })
  const answers = new Answers()
  const open = new Set<Promise<void>>()
  const startedMs = systemClock.elapsedMs()
  for (let elapsedMs = 0; elapsedMs < seconds * 1000; elapsedMs = systemClock.elapsedMs() - startedMs) {
    for (const due = (elapsedMs * rate) / 1000; answers.sent < due; answers.sent++) {
      const answer = ask(url, agent, answers)
      open.add(answer)
      answer.then(() => open.delete(answer))
    }
    await new Promise<void>((done) => void systemClock.after(sendEveryMs, done))
  }
  await Promise.all(open)
  agent.destroy()
  return answers
}

async function sendAtOnce(url: string, requests: number): Promise<Answers> {
  const agent = new Agent({ keepAlive: true })
  const answers = new Answers()
  answers.sent = requests
  await Promise.all(Array.from({ length: requests }, () => ask(url, agent, answers)))
  agent.destroy()
  return answers
}

function ask(url: string, agent: Agent, answers: Answers): Promise<void> {
  const sentMs = systemClock.elapsedMs()
  return new Promise((done) => {
    const settle = (status: number) => {
      answers.add(status, systemClock.elapsedMs() - sentMs)
      done()
    }
    const headers = { 'content-type': 'application/json', 'content-length': body.length }
    const sending = request(url, { method: 'POST', agent, headers }, (response) => {
      response
        .resume()
        .on('end', () => settle(response.statusCode ?? 0))
        .on('error', () => settle(0))
    })
    sending.on('error', () => settle(0)).end(body)
  })
}

const body = Buffer.from('{"name":"Bea"}')
const warmUpSeconds = 8
const burstRequests = 10_000
const sendEveryMs = 2
