import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import type { Log } from '../../processor/ports.ts'
import { canonical } from '../support/canonical-json.ts'
import { readWhole } from '../support/followed-topic.ts'
import type { KafkaCluster } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { gatewayPoison, internalPoison, Poisoner, poisonOf } from '../support/poison.ts'
import { RetryingClient } from '../support/retrying-client.ts'
import { SwarmProcesses, threeFunctions } from '../support/swarm-processes.ts'
import { startWritableClickHouse, type WritableClickHouse } from '../support/writable-clickhouse.ts'
import type { Victims } from './kills.ts'
import { type Ordeal, type Outcome, waitFor } from './ordeal.ts'
import { Progress } from './progress.ts'

export interface RequestsOptions {
  readonly cluster: KafkaCluster
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly processes: number
  /** The pause of each client after each request, in ms; undefined: no pause. */
  readonly pauseMs?: number
  /** True if foreign records are written to all topics of the swarm. Each of these records becomes a dead letter. */
  readonly poison?: boolean
}

/**
 * Processes of one swarm with three models, whose clients retry requests without an answer. Afterwards each request must have one answer, the same
 * for every caller, and three rows. Under exactly once, each bee with an output topic must have written exactly one record for each request.
 */
export class RequestsThroughKills implements Ordeal {
  readonly name = 'requests'
  readonly progress: Progress
  readonly victims: Victims
  readonly #options: RequestsOptions
  readonly #directory: string
  readonly #clickhouse: WritableClickHouse
  readonly #swarm: SwarmProcesses
  readonly #running = new Map<string, MeasuredProgram>()
  /** The last process of each name, even if it has ended. */
  readonly #last = new Map<string, MeasuredProgram>()
  readonly #clients: readonly RetryingClient[]
  readonly #broken: string[] = []
  #working: Promise<unknown> = Promise.resolve()
  #poisoner: Poisoner | null = null
  #poisoning: Promise<void> = Promise.resolve()
  #log: Log | null = null
  #isOver = false

  private constructor(options: RequestsOptions, directory: string, clickhouse: WritableClickHouse) {
    const { cluster, processing, pauseMs } = options
    this.#options = options
    this.#directory = directory
    this.#clickhouse = clickhouse
    const env = {
      CLICKHOUSE_URL: clickhouse.url,
      WAGGLE_PROCESSING: processing,
      WAGGLE_SESSION_TIMEOUT_MS: '6000',
      WAGGLE_PARTITIONS: String(partitions),
      WAGGLE_ANSWER_PARTITIONS: '12',
    }
    this.#swarm = new SwarmProcesses({ ...threeFunctions, brokers: cluster.brokers, env })
    const numbers = Array.from({ length: 8 }, (_, number) => number)
    this.progress = new Progress({ parts: numbers.map((number) => `client ${number}`), now: Date.now })
    this.#clients = numbers.map(
      (number) =>
        new RetryingClient({
          swarm: this.#swarm,
          number,
          processes: () => [...this.#running.values()],
          isOver: () => this.#isOver,
          ...(pauseMs === undefined ? {} : { pauseMs }),
          repeatEach: 5,
          onAccepted: (sentAt) => this.progress.came(`client ${number}`, sentAt),
        }),
    )
    this.victims = {
      kind: 'process',
      names: ['swarm one', 'swarm two', 'swarm three'].slice(0, options.processes),
      kill: async (name) => {
        const program = this.#running.get(name)
        this.#running.delete(name)
        await program?.kill('alone')
      },
      start: (name) => this.#start(name),
      frozen: { freeze: (name) => this.#running.get(name)?.freeze(), thaw: (name) => this.#running.get(name)?.thaw() },
    }
  }

  /** Starts the processes. Settles when all are ready and each client has had an answer. */
  static async start(options: RequestsOptions): Promise<RequestsThroughKills> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-requests-'))
    const clickhouse = await startWritableClickHouse(directory)
    const ordeal = new RequestsThroughKills(options, directory, clickhouse)
    try {
      for (const name of ordeal.victims.names) await ordeal.#start(name)
      if (options.poison) await ordeal.#poison()
      ordeal.progress.killed('start')
      ordeal.#working = Promise.all(ordeal.#clients.map((client) => client.work()))
      if (!(await waitFor(() => ordeal.progress.waitedFor.length === 0, patienceMs))) throw new Error(`It does not begin: ${ordeal.status}`)
      return ordeal
    } catch (error) {
      await ordeal.close()
      throw error
    }
  }

  /** The number of requests that have been accepted so far. */
  get accepted(): number {
    return this.#sum(({ accepted }) => accepted.size)
  }

  get status(): string {
    const standing = this.progress.standing
    return `requests: ${this.accepted} accepted (${this.#running.size} processes); ${standing.part} for ${Math.round(standing.ms / 1000)} s`
  }

  /** Lets the clients go on until this many requests are accepted, however slow the machine is. False if the clients make no progress. */
  untilAccepted(count: number): Promise<boolean> {
    return waitFor(() => this.accepted >= count, patienceMs)
  }

  get lastWords(): string {
    return [...this.#last].map(([name, { lastWords }]) => `${name}: ${lastWords}`).join('\n')
  }

  async finish(): Promise<Outcome> {
    this.#isOver = true
    await this.#working
    await this.#poisoning
    const answers = new Map(this.#clients.flatMap(({ accepted }) => [...accepted]))
    this.#broken.push(...this.#clients.flatMap(({ broken }) => broken))
    const compared = await this.#askAgain(answers)
    let wrong = await this.#wrongRows(answers)
    for (const end = performance.now() + patienceMs; wrong.length > 0 && performance.now() < end; wrong = await this.#wrongRows(answers))
      await pause(100)
    const [letters, missing] = await this.#letters()
    this.#broken.push(...missing)
    for (const status of await this.#stop()) if (status !== 0) this.#broken.push(`a process ended with status ${status} when it was told to stop`)
    // The check comes last, so that late rows are seen too.
    this.#broken.push(...(await this.#wrongRows(answers)))
    await this.#readTopics(answers)
    const counted = {
      requests: answers.size,
      retries: this.#sum(({ retries }) => retries),
      'answers compared': compared,
      rows: 3 * answers.size,
      'poison records put aside': letters,
    }

    return { counted, broken: this.#broken }
  }

  async close(): Promise<void> {
    for (const client of this.#clients) client.abandon()
    await this.#stop()
    await this.#working
    this.#isOver = true
    await this.#poisoning
    await this.#poisoner?.close()
    await this.#log?.close()
    await this.#clickhouse.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #poison(): Promise<void> {
    const own = `waggle.${this.#swarm.swarm}`
    const internal = [`${own}-accepted-repartition`, ...['prepare', 'a', 'b', 'c'].map((bee) => `${own}.${bee}`)]
    this.#log = await openKafkaLog({ ...quickOptions(this.#options.cluster), processing: 'at_least_once' })
    this.#poisoner = new Poisoner(this.#log, [
      ...internal.map((topic) => ({ topic, partitions, kinds: internalPoison })),
      { topic: `waggle.gateway.${this.#swarm.gateway}`, partitions, kinds: gatewayPoison },
    ])
    this.#poisoning = this.#poisoner.keepSending(() => this.#isOver, poisonEachMs)
  }

  /** The number of poison records with a dead letter. Also the poison records that have no dead letter although their swarm had time to write it. */
  async #letters(): Promise<readonly [number, readonly string[]]> {
    if (this.#poisoner === null || this.#log === null) return [0, []]
    const letters = new Set<string>()
    for (const end = performance.now() + patienceMs; ; await pause(1000)) {
      await readWhole(this.#log, `waggle.${this.#swarm.swarm}.dead-letters`, (record) => void letters.add(poisonOf(record) ?? ''))
      const missing = this.#poisoner.missingIn(letters)
      if (missing.length === 0 || performance.now() > end) return [letters.size, missing]
    }
  }

  async #start(name: string): Promise<void> {
    const program = await this.#swarm.start(name)
    this.#running.set(name, program)
    this.#last.set(name, program)
    void program.gone.then(() => {
      if (this.#running.get(name) !== program) return
      this.#running.delete(name)
      this.#broken.push(`${name} ended by itself: ${program.lastWords}`)
    })
  }

  #stop(): Promise<readonly (number | null)[]> {
    this.#running.clear()
    return this.#swarm.close()
  }

  #sum(of: (client: RetryingClient) => number): number {
    return this.#clients.reduce((sum, client) => sum + of(client), 0)
  }

  /** Asks a process for every request. The answer must be the one that the client has seen. */
  async #askAgain(answers: ReadonlyMap<string, string | null>): Promise<number> {
    const left = [...answers]
    let compared = this.#sum((client) => client.compared)
    const ask = async (at: number) => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [id, seen] = next
        const there = [...this.#running.values()]
        const { answer, said } = await settled(`${there[at % there.length]?.ready.gateway}/v1/requests/${id}`)
        if (answer === null) this.#broken.push(`${id} was accepted, ${seen === null ? 'had no answer' : 'was answered'}, and is now ${said}`)
        else if (seen !== null && ++compared && canonical(answer) !== canonical(JSON.parse(seen)))
          this.#broken.push(`${id} had ${seen}, and now ${JSON.stringify(answer)}`)
      }
    }
    await Promise.all(Array.from({ length: 12 }, (_, at) => ask(at)))
    return compared
  }

  /** Checks that each id has three rows, and that no other id has rows. */
  async #wrongRows(answers: ReadonlyMap<string, unknown>): Promise<readonly string[]> {
    const sql = 'SELECT request_id, count(), uniqExact(bee) FROM predictions GROUP BY request_id FORMAT TabSeparated'
    const text = await (await fetch(`${this.#clickhouse.url}/?query=${encodeURIComponent(sql)}`)).text()
    const lines = text.split('\n').filter((line) => line !== '')
    const counts = new Map(lines.map((line) => line.split('\t')).map(([id = '', rows, bees]) => [id, `${rows} rows of ${bees} bees`]))
    const missing = [...answers.keys()].filter((id) => counts.get(id) !== '3 rows of 3 bees').map((id) => `${id} has ${counts.get(id) ?? 'no rows'}`)
    return [...missing, ...[...counts.keys()].filter((id) => !answers.has(id)).map((id) => `${id}, which nobody had accepted, has rows`)]
  }

  /** Checks that only poison records have dead letters and, if promised, that each bee wrote once for each request. */
  async #readTopics(answers: ReadonlyMap<string, unknown>): Promise<void> {
    const { cluster, processing } = this.#options
    const log = await openKafkaLog({ ...quickOptions(cluster), processing: 'at_least_once' })
    try {
      const letters = `waggle.${this.#swarm.swarm}.dead-letters`
      await readWhole(log, letters, ({ key, headers }) => {
        if (this.#poisoner !== null && poisonOf({ headers }) !== null) return
        this.#broken.push(`${key} is a dead letter: ${headers.map((header) => `${header.key}=${Buffer.from(header.value ?? [])}`).join(' ')}`)
      })
      if (processing === 'at_least_once') return
      const ofBees = (await log.topics()).filter((topic) => topic.startsWith(`waggle.${this.#swarm.swarm}.`) && topic !== letters)
      if (ofBees.length === 0) this.#broken.push('no bee has a topic')
      for (const topic of ofBees) {
        const times = new Map<string, number>()
        await readWhole(log, topic, ({ key, headers }) => {
          if (this.#poisoner === null || poisonOf({ headers }) === null) times.set(String(key), (times.get(String(key)) ?? 0) + 1)
        })
        for (const id of answers.keys()) if (times.get(id) !== 1) this.#broken.push(`${id} is ${times.get(id) ?? 0} times in ${topic}`)
        for (const id of times.keys()) if (!answers.has(id)) this.#broken.push(`${id}, which nobody sent, is in ${topic}`)
      }
    } finally {
      await log.close()
    }
  }
}

/** Waits for the answer, which is null after a long time. Also returns the last response, for the error message. */
async function settled(url: string): Promise<{ readonly answer: unknown; readonly said: string }> {
  let said = 'never asked for'
  for (const end = performance.now() + patienceMs; performance.now() < end; await pause(100)) {
    const response = await fetch(url)
    said = `${response.status} ${await response.text()}`
    const entry = JSON.parse(said.slice(said.indexOf(' '))) as { readonly state?: string; readonly answer?: unknown; readonly problem?: unknown }
    if (entry.state === 'answered') return { answer: entry.answer, said }
    if (entry.state === 'failed') return { answer: entry.problem, said }
  }
  return { answer: null, said }
}

const patienceMs = 120_000
const partitions = 4
/** The pause between two rounds of poison, in ms. A round writes one record to each topic. */
const poisonEachMs = 500
