import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { canonical } from '../support/canonical-json.ts'

export interface KillReport {
  readonly rounds: number
  /** Requests whose acceptance (202) or answer (200) a client has seen. */
  readonly accepted: number
  /** Answers that came twice, to a retry or to a look-up by id, and were equal. */
  readonly compared: number
  readonly rows: number
  /** Broken promises; empty if all promises held. */
  readonly broken: readonly string[]
}

export interface KillOptions {
  readonly rounds: number
  readonly seed: number
  readonly say?: (line: string) => void
}

/**
 * Runs the teddy swarm under load, and kills it with SIGKILL at random moments, round after round, on one data directory. Clients retry requests
 * without an answer under the same idempotency key. Afterwards each request must have one answer, the same for every caller, and exactly three rows.
 */
export async function killAtRandom({ rounds, seed, say = () => {} }: KillOptions): Promise<KillReport> {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-kill-'))
  const random = new SimulatedRandom(seed)
  const clients = Array.from({ length: 8 }, (_, at) => new Client(at, at % 2 === 0 ? 'request' : 'submit'))
  try {
    for (let round = 1; round <= rounds; round++) {
      const program = await start(directory)
      const working = clients.map((client) => client.work(program.ready.gateway))
      await pause(200 + random.next() * 2500)
      const what = random.next() < 0.5 ? 'alone' : 'with its children'
      await program.kill(what)
      await Promise.all(working)
      say(`round ${round}: killed ${what}; ${clients.reduce((sum, { accepted }) => sum + accepted.size, 0)} requests accepted so far`)
    }
    const program = await start(directory)
    const broken: string[] = []
    for (const client of clients) await client.finish(program.ready.gateway, broken)
    const ids = new Set(clients.flatMap(({ accepted }) => [...accepted.keys()]))
    const rows = await countRows(program.ready.clickhouse ?? '', ids, broken)
    const status = await program.stop()
    if (status !== 0) broken.push(`the last process ended with status ${status}: ${program.lastWords}`)
    for (const client of clients) broken.push(...client.broken)
    return { rounds, accepted: ids.size, compared: clients.reduce((sum, { compared }) => sum + compared, 0), rows, broken }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const swarm = resolve(import.meta.dirname, '..', '..', 'swarms', 'teddy-bear-detector')
const photos = readdirSync(join(swarm, 'photos'))
  .filter((name) => name.endsWith('.jpg'))
  .map((name) => readFileSync(join(swarm, 'photos', name)))

async function start(directory: string): Promise<MeasuredProgram> {
  const file = patientSwarm(directory)
  return MeasuredProgram.start([resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts'), 'run', file, '--json'], {
    WAGGLE_DATA_DIR: join(directory, 'data'),
    WAGGLE_HTTP_PORT: '0',
    WAGGLE_CLICKHOUSE_PORT: '0',
  })
}

/** A copy of the swarm whose joins and calls wait for an hour. On a busy machine the usual 30 s may pass, and such a timeout breaks no promise. */
function patientSwarm(directory: string): string {
  const absolute = (name: string) => readFileSync(join(swarm, name), 'utf8').replaceAll(/(?<=[\s,[])\.\//g, `${swarm}/`)
  const takesTime = /^( +)type: (?:module|tf-serving|tensor-rt|container|weighted-average-ensemble|save-to-database)$/gm
  const file = join(directory, 'swarm.yaml')
  writeFileSync(file, absolute('swarm.yaml').replaceAll(takesTime, `$&\n$1timeout_seconds: ${patienceSeconds}`))
  writeFileSync(join(directory, 'waggle.yaml'), absolute('waggle.yaml'))
  return file
}

const patienceSeconds = 3600

/** Sends one request after the other, each under its own key until it is accepted. */
class Client {
  /** The answer of each accepted request id; null if no answer was seen. */
  readonly accepted = new Map<string, string | null>()
  readonly broken: string[] = []
  compared = 0
  readonly #number: number
  readonly #verb: 'request' | 'submit'
  #sent = 0

  constructor(number: number, verb: 'request' | 'submit') {
    this.#number = number
    this.#verb = verb
  }

  /** Sends requests until the process is gone. */
  async work(gateway: string): Promise<void> {
    try {
      for (;;) {
        await this.#send(gateway)
        this.#sent++
        // Accepting is quick. Without a pause, clients that submit would take all of the models' time from clients that wait for answers.
        if (this.#verb === 'submit') await pause(500)
      }
    } catch {
      // The connection broke. The client sends the same key again to the next process.
    }
  }

  /** Sends the open request again, and asks for every accepted request by its id. */
  async finish(gateway: string, broken: string[]): Promise<void> {
    await this.#send(gateway)
    for (const [id, seen] of this.accepted) {
      const answer = await settledAnswer(gateway, id)
      if (answer === null) broken.push(`${id} was accepted and has no answer`)
      else this.#compare(id, seen, answer)
    }
  }

  async #send(gateway: string): Promise<void> {
    const photo = photos[(this.#sent * 7 + this.#number) % photos.length] as Buffer
    const response = await fetch(`${gateway}/v1/gateways/teddybear-detector-gateway/${this.#verb}`, {
      method: 'POST',
      body: Uint8Array.from(photo),
      headers: { 'content-type': 'image/jpeg', 'idempotency-key': `${this.#number}-${this.#sent}`, 'x-timeout-seconds': String(patienceSeconds) },
    })
    const text = await response.text()
    const id = response.headers.get('x-request-id') ?? ''
    if (this.#verb === 'submit' && response.status === 202) this.accepted.set(id, null)
    else if (response.status === 200) {
      this.#compare(id, this.accepted.get(id) ?? null, canonical(JSON.parse(text)))
      this.accepted.set(id, canonical(JSON.parse(text)))
    } else if (response.status !== 503) this.broken.push(`${id} was answered ${response.status}: ${text}`)
  }

  #compare(id: string, seen: string | null, now: string): void {
    if (seen === null) return
    this.compared++
    if (seen !== now) this.broken.push(`${id} had the answer ${seen}, and now ${now}`)
  }
}

async function settledAnswer(gateway: string, id: string): Promise<string | null> {
  // If the wait never ends, the time limit of the test ends it.
  for (;;) {
    const response = await fetch(`${gateway}/v1/requests/${id}`)
    const entry = (await response.json()) as { readonly state?: string; readonly answer?: unknown; readonly problem?: unknown }
    if (entry.state === 'answered') return canonical(entry.answer)
    if (entry.state === 'failed') return canonical(entry.problem)
    if (response.status === 404) return null
    await pause(100)
  }
}

/** Waits until each id has its rows in the view that users query, and checks that each id has exactly three rows. */
async function countRows(clickhouse: string, ids: ReadonlySet<string>, broken: string[]): Promise<number> {
  let counts = new Map<string, number>()
  for (;;) {
    const sql = 'SELECT request_id, count() AS rows, uniqExact(bee) AS bees FROM inferences GROUP BY request_id FORMAT JSONEachRow'
    const text = await (await fetch(`${clickhouse}/?query=${encodeURIComponent(sql)}`)).text()
    const found = text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as { readonly request_id: string; readonly rows: string | number; readonly bees: string | number })
    counts = new Map(found.map(({ request_id, rows }) => [request_id, Number(rows)]))
    if ([...ids].every((id) => (counts.get(id) ?? 0) >= 3)) break
    await pause(100)
  }
  for (const id of ids) if (counts.get(id) !== 3) broken.push(`${id} has ${counts.get(id) ?? 0} rows`)
  for (const [id, rows] of counts) if (!ids.has(id)) broken.push(`${id}, which nobody sent, has ${rows} rows`)
  return [...counts.values()].reduce((sum, rows) => sum + rows, 0)
}
