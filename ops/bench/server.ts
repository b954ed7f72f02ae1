import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { load } from './load.ts'
import type { ManagementCall, ManagementCalls, ManagementTimes } from './management-caller.ts'
import { MeasuredProgram } from './measured-program.ts'
import type { Table } from './table.ts'

export interface ServerBenchmarkOptions {
  /** The seconds of each load. */
  readonly seconds: number
  readonly clients: number
  /** The number of swarms that one server runs at the end. */
  readonly swarms: number
}

/** Measures `waggle serve`: management calls under load, the cost of tokens, the creation of swarms, and many swarms in one process. */
export async function serverBenchmark(options: ServerBenchmarkOptions): Promise<readonly Table[]> {
  return [await tokenCost(options), await managementCalls(options), ...(await manySwarms(options))]
}

/** Two servers, one of which has tokens and limits, get the same load in turns. Each pair of turns begins with the other server. */
async function tokenCost({ seconds, clients }: ServerBenchmarkOptions): Promise<Table> {
  const open = await Server.start({})
  const guarded = await Server.start({ WAGGLE_TOKENS: tokens, WAGGLE_CALLER_RATE_PER_SECOND: '1000000' })
  try {
    for (const server of [open, guarded]) {
      await server.create(0)
      await server.load({ clients, seconds: warmUpSeconds })
    }
    const turns = new Map<Server, Turn[]>([
      [open, []],
      [guarded, []],
    ])
    for (let pair = 0; pair < pairs; pair++)
      for (const server of pair % 2 === 0 ? [open, guarded] : [guarded, open]) turns.get(server)?.push(await server.turn({ clients, seconds }))
    const row = (name: string, server: Server) => {
      const own = turns.get(server) ?? []
      return [name, median(own.map(({ perSecond }) => perSecond)), median(own.map(({ cpuMs }) => cpuMs * 1000))]
    }
    return {
      title: `hello-world with ${clients} clients: tokens and limits on callers, medians of ${pairs} turns of ${seconds} s`,
      columns: ['server', 'requests/s', 'CPU µs/request'],
      rows: [row('without tokens (floor)', open), row('with tokens and a rate for each caller', guarded)],
      floorRow: 'floor',
    }
  } finally {
    await open.stop()
    await guarded.stop()
  }
}

async function managementCalls({ seconds, clients }: ServerBenchmarkOptions): Promise<Table> {
  const server = await Server.start({ WAGGLE_TOKENS: tokens })
  try {
    await server.create(0)
    await server.prepareManagement()
    await server.load({ clients, seconds: warmUpSeconds })
    // The first calls are slower, because Node compiles their code. They are not measured.
    await server.managed(warmUpSeconds)
    const idle = await server.managed(seconds)
    const working = server.load({ clients, seconds: seconds + 2 * aroundSeconds })
    await pause(aroundSeconds)
    const busy = await server.managed(seconds)
    await working
    const rowsOf = (load: string, times: readonly (readonly number[])[]) => [
      [load, 'all calls', ...timesOf(times.flat())],
      ...managementCallList.map(({ method, path }, at) => [load, `${method} ${path}`, ...timesOf(times[at] ?? [])]),
    ]
    return {
      title: 'Management calls, one after the other',
      columns: ['load', 'call', 'calls', 'median ms', 'p99 ms', 'longest ms'],
      rows: [...rowsOf('nothing', idle), ...rowsOf(`hello-world with ${clients} clients that wait for each answer`, busy)],
    }
  } finally {
    await server.stop()
  }
}

async function manySwarms({ seconds, swarms }: ServerBenchmarkOptions): Promise<readonly Table[]> {
  const server = await Server.start({ WAGGLE_TOKENS: tokens })
  try {
    const created: number[] = []
    const rows: (readonly (string | number)[])[] = []
    const measured = async (count: number) => {
      while (created.length < count) created.push(await server.create(created.length))
      await server.load({ clients: 8, seconds: warmUpSeconds })
      await pause(settleSeconds)
      const idle = await server.idle(idleSeconds)
      const one = await server.load({ clients: 1, seconds, rate: quietRate })
      // The first requests of a swarm are slower, and are not measured.
      await server.load({ clients: 1, seconds: warmUpSeconds, rate: quietRate, swarms: count })
      const all = await server.load({ clients: 1, seconds, rate: quietRate, swarms: count })
      rows.push([`${count}`, idle.residentBytes / 2 ** 20, idle.cpuShare * 100, one.medianMs, one.p99Ms, all.medianMs, all.p99Ms])
    }
    await measured(1)
    await measured(swarms)
    const each = created.slice(1)
    return [
      {
        title: `Swarms of one module bee in one server; ${quietRate} requests/s to one of them, and to all in turn`,
        columns: ['swarms', 'resident MiB', 'CPU when idle, % of a core', 'one: median ms', 'one: p99 ms', 'all: median ms', 'all: p99 ms'],
        rows,
      },
      {
        title: 'A swarm is created and ready (the first call of a server compiles, and is left out)',
        columns: ['swarms created', 'median ms', 'p99 ms', 'longest ms'],
        rows: [[...timesOf(each)]],
      },
    ]
  } finally {
    await server.stop()
  }
}

interface SentBody {
  readonly contentType: string
  readonly body: string
  readonly wanted: number
  readonly headers?: { readonly [name: string]: string }
}

interface Turn {
  readonly perSecond: number
  readonly cpuMs: number
}

/** `waggle serve` in a directory of its own. */
class Server {
  readonly #program: MeasuredProgram
  readonly #directory: string
  #nextRound = 0

  private constructor(program: MeasuredProgram, directory: string) {
    this.#program = program
    this.#directory = directory
  }

  static async start(env: { readonly [name: string]: string }): Promise<Server> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
    copyFileSync(join(helloWorld, 'greet.ts'), join(directory, 'greet.ts'))
    const own = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_GRPC_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0', ...env }
    const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
    return new Server(await MeasuredProgram.start([main, 'serve', '--json'], own, { cwd: directory }), directory)
  }

  /** Creates the copy of hello-world with this number. Gives the time until it is ready, in ms. */
  async create(at: number): Promise<number> {
    const yaml = readFileSync(join(helloWorld, 'swarm.yaml'), 'utf8')
    const body = yaml.replace('name: hello-world', `name: hello-world-${at}`).replace('name: hello\n', `name: hello-${at}\n`)
    const fromMs = systemClock.elapsedMs()
    const answer = await fetch(`${this.#program.ready.gateway}/v1/swarms`, {
      method: 'POST',
      headers: { ...asManager, 'content-type': 'application/yaml' },
      body,
    })
    if (answer.status !== 201) throw new Error(`Creation ended with ${answer.status}: ${await answer.text()}`)
    return systemClock.elapsedMs() - fromMs
  }

  /** Loads the first of the created swarms, one by default, in turn. */
  load({ swarms = 1, ...options }: { readonly clients: number; readonly seconds: number; readonly rate?: number; readonly swarms?: number }) {
    const url = Array.from({ length: swarms }, (_, at) => `${this.#program.ready.gateway}/v1/gateways/hello-${at}/request`)
    return load({ url, bodies: [Buffer.from('{"name":"Bea"}')], contentType: 'application/json', headers: asManager, ...options })
  }

  async turn(options: { readonly clients: number; readonly seconds: number }): Promise<Turn> {
    const before = this.#program.usage().cpuMs
    const { perSecond, answered } = await this.load(options)
    return { perSecond, cpuMs: (this.#program.usage().cpuMs - before) / answered }
  }

  /** Makes what the management calls look for: dead letters, each of which fails again when it is retried, and a request with a key. */
  async prepareManagement(): Promise<void> {
    writeFileSync(join(this.#directory, 'fail.mjs'), "export default () => {\n  throw new Error('never')\n}\n")
    await this.#send('/v1/swarms', { contentType: 'application/yaml', body: failingSwarm, wanted: 201 })
    for (let at = 0; at < deadLetters; at++)
      await this.#send('/v1/gateways/failing/request', { contentType: 'application/json', body: '{}', wanted: 502 })
    const headers = { 'idempotency-key': benchKey }
    await this.#send('/v1/gateways/hello-0/request', { contentType: 'application/json', body: '{"name":"Bea"}', wanted: 200, headers })
  }

  async #send(path: string, { contentType, body, wanted, headers = {} }: SentBody): Promise<void> {
    const sent = { ...asManager, ...headers, 'content-type': contentType }
    const answer = await fetch(`${this.#program.ready.gateway}${path}`, { method: 'POST', headers: sent, body })
    const text = await answer.text()
    if (answer.status !== wanted) throw new Error(`${path} ended with ${answer.status}: ${text}`)
  }

  /**
   * Makes management calls for this long, and gives the times of each call in ms. The thread that makes the load would delay them, so they have
   * another.
   */
  async managed(seconds: number): Promise<readonly (readonly number[])[]> {
    const url = this.#program.ready.gateway
    const workerData: ManagementCalls = { url, calls: managementCallList, firstRound: this.#nextRound, headers: asManager, seconds }
    const { timesMs, nextRound } = await new Promise<ManagementTimes>((resolve, reject) => {
      new Worker(new URL('./management-caller.ts', import.meta.url), { workerData }).once('message', resolve).once('error', reject)
    })
    this.#nextRound = nextRound
    return timesMs
  }

  async idle(seconds: number): Promise<{ readonly residentBytes: number; readonly cpuShare: number }> {
    const before = this.#program.usage()
    await pause(seconds)
    const { cpuMs, residentBytes } = this.#program.usage()
    return { residentBytes, cpuShare: (cpuMs - before.cpuMs) / (seconds * 1000) }
  }

  async stop(): Promise<void> {
    await this.#program.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** The number of times in ms, their median, their 99th percentile, and the longest. */
function timesOf(timesMs: readonly number[]): readonly number[] {
  const sorted = timesMs.toSorted((a, b) => a - b)
  const quantile = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
  return [sorted.length, quantile(0.5), quantile(0.99), quantile(1)]
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? Number.NaN
}

function pause(seconds: number): Promise<void> {
  return new Promise((done) => void systemClock.after(seconds * 1000, done))
}

const helloWorld = resolve(import.meta.dirname, '..', '..', 'swarms', 'hello-world')
const secret = 'benchmark-0123456789'
const tokens = `bench=${secret}:manage,read,ask:*`
const asManager = { authorization: `Bearer ${secret}` }
const benchKey = 'bench-key'
const deadLetters = 20
const failingSwarm = `name: failing
bees:
  - {name: entrance, type: gateway-input, spec: {name: failing}}
  - {name: fail, type: module, input: {name: entrance}, spec: {file: ./fail.mjs}}
  - {name: answer, type: respond, input: {name: fail}}
`
const managementCallList: readonly ManagementCall[] = [
  { method: 'GET', path: '/v1/swarms' },
  { method: 'GET', path: '/v1/swarms/hello-world-0' },
  { method: 'GET', path: '/v1/swarms/hello-world-0/bees' },
  { method: 'GET', path: '/v1/requests?max=10' },
  { method: 'GET', path: '/v1/requests?swarm=hello-world-0&state=answered&max=10' },
  { method: 'GET', path: `/v1/requests?key=${benchKey}&max=10` },
  { method: 'GET', path: '/v1/dead-letters' },
  { method: 'GET', path: '/v1/topics' },
  { method: 'POST', path: '/v1/tokens', body: '{"name":"bench-{round}","scopes":["read"]}' },
  { method: 'DELETE', path: '/v1/tokens/bench-{round}' },
  { method: 'POST', path: '/v1/dead-letters/{letter}/retry' },
]
const pairs = 8
const warmUpSeconds = 8
/** The time after a load until the process is idle. Some 20 s after a load, the process gives memory back to the system, once. */
const settleSeconds = 40
const idleSeconds = 20
const quietRate = 100
/** The time of the load before and after the management calls. */
const aroundSeconds = 2
