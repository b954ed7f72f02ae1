import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { startEmbeddedClickHouse } from '../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { describeWithKafka, type KafkaCluster } from '../support/kafka-cluster.ts'
import { SwarmProcesses, threeFunctions } from '../support/swarm-processes.ts'

/** One request after the other, each under a key of its own until somebody has accepted it, with whatever process is there. */
class Client {
  /** By request id: the answer where one was seen. */
  readonly accepted = new Map<string, string | null>()
  readonly broken: string[] = []
  readonly #swarm: SwarmProcesses
  readonly #number: number
  readonly #verb: 'request' | 'submit'
  #sent = 0

  constructor(swarm: SwarmProcesses, number: number) {
    this.#swarm = swarm
    this.#number = number
    this.#verb = number % 2 === 0 ? 'request' : 'submit'
  }

  /** Until it is told to stop, and what was under way is accepted. */
  async work(processes: () => readonly MeasuredProgram[], isOver: () => boolean): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const there = processes()
      const program = there[(this.#number + attempt) % there.length]
      if (program !== undefined && (await this.#send(program))) {
        this.#sent++
        if (isOver()) return
      }
      if (this.#verb === 'submit' || program === undefined) await pause(20)
    }
  }

  /** False where it is not known whether it was accepted. */
  async #send(program: MeasuredProgram): Promise<boolean> {
    const headers = { 'idempotency-key': `${this.#number}-${this.#sent}`, 'x-timeout-seconds': '300' }
    try {
      const response = await this.#swarm.ask(program, { number: this.#sent }, headers, this.#verb)
      const id = response.headers.get('x-request-id') ?? ''
      const text = await response.text()
      if (response.status === 503) return false
      if (response.status !== 200 && response.status !== 202) this.broken.push(`${id} was answered ${response.status}: ${text}`)
      this.accepted.set(id, response.status === 200 ? text : null)
      return true
    } catch {
      return false
    }
  }
}

describeWithKafka('A swarm whose processes are killed', { own: true }, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    it(`under load answers every accepted request once in effect, with exactly its rows, ${processing}`, { timeout: 300_000 }, () =>
      underLoad(cluster(), processing, async (swarm, processes) => {
        for (const name of ['one', 'two']) {
          await pause(1500)
          const victim = processes.get(name)
          processes.delete(name)
          await victim?.kill('alone')
          await pause(1000)
          processes.set(name, await swarm.start(name))
        }
        await pause(1000)
      }),
    )
  }
})

describeWithKafka('A swarm whose broker is killed', { nodes: 3, own: true }, (cluster) => {
  it('under load answers every accepted request once in effect, with exactly its rows', { timeout: 300_000 }, () =>
    underLoad(cluster(), 'at_least_once', async () => {
      const victim = cluster().nodes[1]
      await pause(1500)
      await victim?.kill()
      await pause(5000)
      await victim?.start()
      await pause(2000)
    }),
  )
})

async function underLoad(
  { brokers }: KafkaCluster,
  processing: string,
  disturb: (swarm: SwarmProcesses, processes: Map<string, MeasuredProgram>) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-deaths-'))
  const clickhouse = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
  const env = { CLICKHOUSE_URL: clickhouse.url, WAGGLE_PROCESSING: processing, WAGGLE_SESSION_TIMEOUT_MS: '3000' }
  const swarm = new SwarmProcesses({ ...threeFunctions, brokers, env })
  const processes = new Map<string, MeasuredProgram>()
  for (const name of ['one', 'two']) processes.set(name, await swarm.start(name))
  let isOver = false
  const clients = Array.from({ length: 8 }, (_, at) => new Client(swarm, at))
  const working = clients.map((client) =>
    client.work(
      () => [...processes.values()],
      () => isOver,
    ),
  )
  await disturb(swarm, processes)
  isOver = true
  await Promise.all(working)
  const answers = new Map(clients.flatMap(({ accepted }) => [...accepted]))
  const broken = clients.flatMap((client) => client.broken)
  const [asked] = [...processes.values()].map(({ ready }) => ready.gateway)
  for (const [id, seen] of answers) {
    const state = await settled(`${asked}/v1/requests/${id}`)
    if (state === null) broken.push(`${id} was accepted and has no answer`)
    else if (seen !== null && JSON.stringify(state) !== JSON.stringify(JSON.parse(seen)))
      broken.push(`${id} had ${seen}, and now ${JSON.stringify(state)}`)
  }
  for (let attempt = 0; attempt < 300 && (await wrongRows(clickhouse.url, answers)).length > 0; attempt++) await pause(100)
  broken.push(...(await wrongRows(clickhouse.url, answers)))
  const statuses = await swarm.close()
  await clickhouse.close()
  rmSync(directory, { recursive: true, force: true })
  assert.deepEqual(broken, [])
  assert.deepEqual(statuses, [0, 0])
  assert.ok(answers.size > 50, `${answers.size} requests were accepted`)
}

async function settled(url: string): Promise<unknown> {
  for (let attempt = 0; attempt < 600; attempt++) {
    const entry = (await (await fetch(url)).json()) as { readonly state?: string; readonly answer?: unknown; readonly problem?: unknown }
    if (entry.state === 'answered') return entry.answer
    if (entry.state === 'failed') return entry.problem
    await pause(100)
  }
  return null
}

/** Three for each id, and none for ids that nobody sent. */
async function wrongRows(clickhouse: string, answers: ReadonlyMap<string, unknown>): Promise<readonly string[]> {
  const sql = 'SELECT request_id, count(), uniqExact(bee) FROM predictions GROUP BY request_id FORMAT TabSeparated'
  const lines = (await (await fetch(`${clickhouse}/?query=${encodeURIComponent(sql)}`)).text()).split('\n').filter((line) => line !== '')
  const counts = new Map(lines.map((line) => line.split('\t')).map(([id = '', rows, bees]) => [id, `${rows} rows of ${bees} bees`]))
  const missing = [...answers.keys()].filter((id) => counts.get(id) !== '3 rows of 3 bees').map((id) => `${id} has ${counts.get(id) ?? 'no rows'}`)
  return [...missing, ...[...counts.keys()].filter((id) => !answers.has(id)).map((id) => `${id}, which nobody had accepted, has rows`)]
}
