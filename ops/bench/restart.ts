import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { MeasuredProgram } from './measured-program.ts'
import { type SwarmWorkload, smallWorkload, teddyWorkload } from './swarm-workloads.ts'
import type { Table } from './table.ts'

export interface RestartBenchmarkOptions {
  /** The seconds of load before each kill. */
  readonly seconds: number
  readonly clients: number
}

/**
 * Kills a swarm under load with SIGKILL, starts it again at once, and measures when callers have their answers. Each caller repeats its unanswered
 * request with the same idempotency key until it gets an answer. Another column shows the time of a start after a clean stop, without load.
 */
export async function restartBenchmark(options: RestartBenchmarkOptions): Promise<readonly Table[]> {
  const rows: (readonly (string | number)[])[] = []
  for (const workload of [smallWorkload(), teddyWorkload()]) rows.push(await measured(workload, options))
  return [
    {
      title: `A swarm killed by SIGKILL under the load of ${options.clients} clients, and started again at once (seconds after the kill)`,
      columns: ['swarm', 'waiting callers', 'first answer', 'half of the answers', 'last answer', 'a start after a clean stop'],
      rows,
    },
  ]
}

async function measured(workload: SwarmWorkload, { seconds, clients }: RestartBenchmarkOptions): Promise<readonly (string | number)[]> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bench-'))
  try {
    const cleanSeconds = await secondsOfStart(workload, directory)
    const callers = new Callers(workload, clients)
    const first = await startSwarm(workload, directory)
    callers.url = first.ready.gateway
    await new Promise<void>((done) => void systemClock.after(seconds * 1000, done))
    const waiting = callers.stopAsking()
    const killedMs = systemClock.elapsedMs()
    await first.kill('with its children')
    const second = await startSwarm(workload, directory)
    callers.url = second.ready.gateway
    const answered = (await Promise.all(waiting)).map((ms) => (ms - killedMs) / 1000).toSorted((a, b) => a - b)
    callers.close()
    await second.stop()
    return [workload.name, answered.length, answered[0] ?? 0, answered[answered.length >> 1] ?? 0, answered.at(-1) ?? 0, cleanSeconds]
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function secondsOfStart(workload: SwarmWorkload, directory: string): Promise<number> {
  await (await startSwarm(workload, directory)).stop()
  const startedMs = systemClock.elapsedMs()
  const program = await startSwarm(workload, directory)
  const seconds = (systemClock.elapsedMs() - startedMs) / 1000
  await program.stop()
  return seconds
}

function startSwarm({ file }: SwarmWorkload, directory: string): Promise<MeasuredProgram> {
  const main = resolve(import.meta.dirname, '..', 'cli', 'main.ts')
  return MeasuredProgram.start([main, 'run', file, '--json'], { WAGGLE_DATA_DIR: directory, WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' })
}

/** Clients that send their next request as soon as they have an answer. A client repeats an unanswered request with the same key. */
class Callers {
  readonly #workload: SwarmWorkload
  readonly #agent = new Agent({ keepAlive: true })
  readonly #answers: Promise<number>[]
  #isAsking = true
  /** The address of the gateway; empty before the first start. */
  url = ''

  constructor(workload: SwarmWorkload, clients: number) {
    this.#workload = workload
    this.#answers = Array.from({ length: clients }, (_, client) => this.#call(client))
  }

  /** Lets each client stop after its next answer. Returns the times of the last answers. */
  stopAsking(): readonly Promise<number>[] {
    this.#isAsking = false
    return this.#answers
  }

  close(): void {
    this.#agent.destroy()
  }

  async #call(client: number): Promise<number> {
    for (let asked = client; ; asked++) {
      const key = randomUUID()
      const body = this.#workload.bodies[asked % this.#workload.bodies.length] as Buffer
      while (!(await this.#isAnswered(key, body))) await new Promise<void>((done) => void systemClock.after(againMs, done))
      if (!this.#isAsking) return systemClock.elapsedMs()
    }
  }

  #isAnswered(key: string, body: Buffer): Promise<boolean> {
    if (this.url === '') return Promise.resolve(false)
    const headers = { 'content-type': this.#workload.contentType, 'content-length': body.length, 'idempotency-key': key }
    return new Promise((done) => {
      const url = `${this.url}/v1/gateways/${this.#workload.gateway}/request`
      const sending = request(url, { method: 'POST', agent: this.#agent, headers }, (response) => {
        response
          .resume()
          .on('end', () => done(response.statusCode === 200))
          .on('error', () => done(false))
      })
      sending.on('error', () => done(false)).end(body)
    })
  }
}

const againMs = 20
