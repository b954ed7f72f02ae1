import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { beeTopic } from '../../topology/topic-names.ts'
import { canonical } from '../support/canonical-json.ts'
import { readWhole } from '../support/followed-topic.ts'
import type { KafkaCluster } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { type ApiAnswer, ServerProcesses } from '../support/server-processes.ts'
import { type Change, changesOf } from './changes.ts'
import type { ChangesReport, DoneChange } from './changes-report.ts'
import { waitFor } from './ordeal.ts'
import { type Asked, PartsCaller } from './parts-caller.ts'
import { Progress } from './progress.ts'

export interface ChangesOptions {
  /** Null: one server on the embedded log. */
  readonly cluster: KafkaCluster | null
  readonly servers: number
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly seed: number
  /** Called before each change with the number of changes so far. */
  readonly isOver: (changes: number) => boolean
  readonly say?: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * Updates a swarm, rolls it back, restarts and kills its servers in a random order, while callers ask and follow streams of parts. Afterwards each
 * request must have one answer of one version, the same at every server, and no part may be lost, doubled or different.
 */
export async function changesThroughKills(options: ChangesOptions): Promise<ChangesReport> {
  await using servers = await ChangingServers.start(options)
  return await servers.run()
}

const versions = ['A', 'B'] as const
type Version = (typeof versions)[number]

/** `chat` publishes parts: the same in each run, or such that a later run goes on behind those of the earlier. Both bees say their version. */
const functions = (version: Version) => `
const later = (ms) => new Promise((done) => setTimeout(done, ms))
export async function* chat({ name, parts, repeats }, request) {
  if (!repeats) yield* request.parts
  for (let at = repeats ? 0 : request.parts.length; at < parts; at++) {
    await later(40)
    yield \`\${name}/\${at} of ${version}\${repeats ? '' : \` by \${process.pid}\`};\`
  }
}
export const sign = async (text) => {
  await later(5)
  return { text, version: '${version}' }
}
`

class ChangingServers {
  readonly #options: ChangesOptions
  readonly #servers: ServerProcesses
  readonly #names: readonly string[]
  readonly #callers: readonly PartsCaller[]
  readonly #progress: Progress
  readonly #done: DoneChange[] = []
  readonly #broken: string[] = []
  readonly #startedAt = performance.now()
  /** The name of the swarm, its gateway, and the begin of its topics. */
  readonly #swarm: string
  #isOver = false
  #working: Promise<unknown> = Promise.resolve()

  private constructor(options: ChangesOptions) {
    const { cluster, processing, seed } = options
    this.#options = options
    this.#swarm = `changed-${processing.split('_', 1)[0]}`
    this.#servers = new ServerProcesses({
      brokers: cluster?.brokers ?? null,
      env: { WAGGLE_PROCESSING: processing, WAGGLE_ANSWER_PARTITIONS: '12' },
    })
    this.#names = Array.from({ length: options.servers }, (_, at) => `server-${at + 1}`)
    const verbs = ['stream', 'stream', 'stream', 'request', 'submit'] as const
    const names = verbs.map((verb, number) => `${verb} ${number}`)
    this.#progress = new Progress({ parts: names, now: Date.now })
    this.#callers = verbs.map(
      (verb, number) =>
        new PartsCaller({
          gateway: this.#swarm,
          number,
          verb,
          urls: () => this.#servers.names.map((name) => this.#servers.url(name)),
          random: new SimulatedRandom(seed * 1000 + number),
          onDone: (sentAt) => this.#progress.came(names[number] ?? '', sentAt),
        }),
    )
  }

  static async start(options: ChangesOptions): Promise<ChangingServers> {
    const servers = new ChangingServers(options)
    try {
      await servers.#start()
      return servers
    } catch (error) {
      await servers[Symbol.asyncDispose]()
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    for (const caller of this.#callers) caller.abandon()
    await this.#working
    await this.#servers.close()
  }

  async run(): Promise<ChangesReport> {
    const { seed, isOver, signal } = this.#options
    const changes = changesOf(new SimulatedRandom(seed))
    this.#progress.begin()
    for (let number = 0; !isOver(number); number++) {
      signal?.throwIfAborted()
      try {
        await this.#change(number, changes.next().value)
      } catch (error) {
        this.#broken.push(`change ${number + 1} failed: ${inspect(error)}\n${this.#lastWords}`)
        // A server that has ended by itself is the likely cause, and says so a moment later.
        await waitFor(() => this.#servers.ended.length > 0, 2000)
      }
      if (this.#broken.length > 0 || this.#callersBroken || this.#servers.ended.length > 0) break
    }
    this.#progress.end()
    this.#isOver = true
    if (this.#broken.length > 0 || this.#servers.ended.length > 0) for (const caller of this.#callers) caller.abandon()
    await this.#working
    const broken = [...this.#servers.ended, ...this.#broken, ...this.#callers.flatMap((caller) => caller.broken)]
    if (broken.length === 0) broken.push(...(await this.#wrong()))
    for (const name of this.#servers.names) {
      const status = await this.#servers.stop(name)
      if (status !== 0) broken.push(`${name} ended with status ${status} when it was told to stop`)
    }
    const { cluster, processing, servers } = this.#options
    const sum = (of: (caller: PartsCaller) => number) => this.#callers.reduce((total, caller) => total + of(caller), 0)
    return {
      log: cluster === null ? 'embedded' : 'kafka',
      processing: cluster === null ? 'exactly_once' : processing,
      servers,
      seed,
      changes: this.#done,
      requests: sum(({ asked }) => asked.size),
      parts: sum(({ parts }) => parts),
      resumed: sum(({ resumed }) => resumed),
      answersOf: this.#answersOf(),
      longestStop: this.#progress.longestStop,
      broken,
    }
  }

  async #start(): Promise<void> {
    for (const version of versions) this.#servers.write(`${version}.mjs`, functions(version))
    await Promise.all(this.#names.map((name) => this.#servers.start(name)))
    const created = await this.#servers.call(this.#names[0] ?? '', 'POST', '/v1/swarms', this.#text('A'))
    if (created.status !== 201) throw new Error(`The swarm was not created: ${JSON.stringify(created)}`)
    this.#working = Promise.all(this.#callers.map((caller) => caller.work(() => this.#isOver)))
    await this.#settle()
  }

  async #change(number: number, change: Change): Promise<void> {
    const atMs = performance.now() - this.#startedAt
    const process = chosen(this.#names, change.process)
    const leader = chosen(this.#names, change.leader)
    const say = (result: string) => this.#options.say?.(`change ${number + 1}: ${change.kind}: ${result}`)
    this.#progress.killed('change')
    const result = await this.#act(change, { process, leader })
    say(result)
    await this.#settle()
    this.#done.push({ kind: change.kind, atMs, result, tookMs: performance.now() - this.#startedAt - atMs })
  }

  async #act({ kind, delay }: Change, { process, leader }: { readonly process: string; readonly leader: string }): Promise<string> {
    switch (kind) {
      case 'update':
        return `${process}: ${outcomeOf(await this.#update(process))}`
      case 'rollback':
        return `${process}: ${outcomeOf(await this.#servers.call(process, 'POST', `/v1/swarms/${this.#swarm}/rollback`))}`
      case 'SIGTERM':
      case 'kill -9':
        return `${process} ${await this.#restart(process, kind, Promise.resolve())}`
      case 'SIGTERM in update':
      case 'kill -9 in update': {
        // An update whose server goes has no answer. The others may lead it to its end or give it up: both are right.
        const updating = this.#update(leader).then(outcomeOf, () => 'no answer')
        await pause(delay * longestDelayMs)
        const how = await this.#restart(process, kind === 'SIGTERM in update' ? 'SIGTERM' : 'kill -9', updating)
        return `${process} ${how}, ${Math.round(delay * longestDelayMs)} ms after an update at ${leader}: ${await updating}`
      }
      case 'cut streams':
        for (const caller of this.#callers) caller.cut()
        return 'all connections of streams'
    }
  }

  /** Lets a server go, and starts it again after `before` has settled. Returns how long that took. */
  async #restart(name: string, how: 'SIGTERM' | 'kill -9', before: Promise<unknown>): Promise<string> {
    const wentAt = performance.now()
    if (how === 'kill -9') await this.#servers.kill(name)
    else {
      const status = await this.#servers.stop(name)
      if (status !== 0) this.#broken.push(`${name} ended with status ${status} when it was told to stop`)
    }
    const goneAt = performance.now()
    await before
    const startedAt = performance.now()
    await this.#servers.start(name)
    return `(gone in ${((goneAt - wentAt) / 1000).toFixed(1)} s, back in ${((performance.now() - startedAt) / 1000).toFixed(1)} s)`
  }

  /** Updates the swarm to the version that does not run. */
  async #update(server: string): Promise<ApiAnswer> {
    const { body } = await this.#servers.call(server, 'GET', `/v1/swarms/${this.#swarm}`)
    const next = body?.definition === this.#text('A') ? 'B' : 'A'
    return this.#servers.call(server, 'PUT', `/v1/swarms/${this.#swarm}`, this.#text(next))
  }

  /** Waits until all servers run the same version, and until each caller has got what it asked for after the change. */
  async #settle(): Promise<void> {
    let states = ''
    const agree = async () => {
      const found = await Promise.all(this.#names.map((name) => this.#servers.call(name, 'GET', `/v1/swarms/${this.#swarm}`)))
      states = found.map(({ status, body }) => `${status} ${body?.state} ${body?.version}`).join(', ')
      return found.every(({ body }) => body?.state === 'running' && body.definition === found[0]?.body?.definition)
    }
    for (const end = performance.now() + patienceMs; !(await agree()); await pause(50)) {
      if (performance.now() < end) continue
      this.#broken.push(`the servers have not agreed within ${patienceMs / 1000} s: ${states}`)
      return
    }
    if (await waitFor(() => this.#progress.waitedFor.length === 0 || this.#callersBroken, patienceMs)) return
    this.#broken.push(`${this.#progress.waitedFor.join(', ')} got nothing within ${patienceMs / 1000} s after a change\n${this.#lastWords}`)
  }

  get #lastWords(): string {
    return this.#servers.names.map((name) => `${name}: ${this.#servers.lastWords(name)}`).join('\n')
  }

  get #callersBroken(): boolean {
    return this.#callers.some(({ broken }) => broken.length > 0)
  }

  #answersOf(): { readonly [version: string]: number } {
    const answers = this.#callers.flatMap(({ asked }) => [...asked.values()].flatMap(({ answer }) => (answer === null ? [] : [answer])))
    return Object.fromEntries(versions.map((version) => [version, answers.filter((answer) => answer.includes(`"version":"${version}"`)).length]))
  }

  /** Asks for every request and for the parts of every stream, each at another server, and looks for dead letters and for second outcomes. */
  async #wrong(): Promise<readonly string[]> {
    const all = this.#callers.flatMap(({ asked }) => [...asked.values()])
    const found: string[] = []
    const names = this.#servers.names
    const left = [...all.entries()]
    const ask = async () => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const [at, one] = next
        const [first = '', second = ''] = [names[at % names.length], names[(at + 1) % names.length]]
        found.push(...(await this.#wrongState(first, one)), ...(one.parts === null ? [] : await this.#wrongParts(second, one.id, one.parts)))
      }
    }
    this.#options.say?.(`asks again for ${all.length} requests`)
    await Promise.all(Array.from({ length: 8 }, ask))
    const letters = await this.#read(this.#servers.names[0] ?? '', `/v1/dead-letters?swarm=${this.#swarm}`)
    const { dead_letters: listed } = JSON.parse(letters) as { readonly dead_letters?: readonly unknown[] }
    if (listed === undefined || listed.length > 0) found.push(`there are dead letters: ${letters.slice(0, 2000)}`)
    return [...found, ...(await this.#wrongOutcomes(all))]
  }

  async #wrongState(server: string, { id, answer }: Asked): Promise<readonly string[]> {
    let text = ''
    for (const end = performance.now() + patienceMs; performance.now() < end; await pause(50)) {
      text = await this.#read(server, `/v1/requests/${id}`)
      const { state, answer: now } = JSON.parse(text) as { readonly state?: string; readonly answer?: unknown }
      if (state === 'answered')
        return answer === null || canonical(now) === answer ? [] : [`${id} was answered ${answer}, and now at ${server} ${text}`]
      if (state === 'failed') break
    }
    return [`${id} was accepted, and is now at ${server} ${text}`]
  }

  async #wrongParts(server: string, id: string, parts: readonly string[]): Promise<readonly string[]> {
    const text = await this.#read(server, `/v1/requests/${id}/events`)
    const told = [...text.matchAll(/^event: part\n(?:id: .*\n)?data: (.*)$/gm)].map(
      ([, data]) => (JSON.parse(data ?? '') as { readonly part?: unknown }).part,
    )
    return canonical(told) === canonical(parts) ? [] : [`${id} had the parts ${parts.join('')}, and now at ${server} ${text}`]
  }

  /** Under exactly once, the topic of answers has one record a request; under at least once, its records of a request are equal. */
  async #wrongOutcomes(all: readonly Asked[]): Promise<readonly string[]> {
    const { cluster, processing } = this.#options
    if (cluster === null) return []
    const log = await openKafkaLog({ ...quickOptions(cluster), processing: 'at_least_once' })
    const outcomes = new Map<string, string[]>()
    try {
      await readWhole(log, beeTopic(this.#swarm, 'answer'), ({ key, value }) => {
        const id = String(key)
        outcomes.set(id, [...(outcomes.get(id) ?? []), Buffer.from(value instanceof Uint8Array ? value : []).toString()])
      })
    } finally {
      await log.close()
    }
    return all.flatMap(({ id }) => {
      const own = outcomes.get(id) ?? []
      const isRight = processing === 'exactly_once' ? own.length === 1 : new Set(own).size === 1
      return isRight ? [] : [`${id} has ${own.length} outcomes: ${own.join(' ')}`]
    })
  }

  /** Reads from a server, and tries again while it refuses. An answer that does not end within `patienceMs` is an error. */
  async #read(server: string, path: string): Promise<string> {
    for (;;) {
      const response = await fetch(`${this.#servers.url(server)}${path}`, { signal: AbortSignal.timeout(patienceMs) })
      const text = await response.text()
      if (response.status !== 503 && response.status !== 429) return text
      await pause(200)
    }
  }

  #text(version: Version): string {
    return `name: ${this.#swarm}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${this.#swarm}}}
  - {name: chat, type: module, timeout_seconds: 600, input: {name: entrance}, spec: {file: ./${version}.mjs, bee: chat}}
  - {name: sign, type: module, timeout_seconds: 600, input: {name: chat}, spec: {file: ./${version}.mjs, bee: sign}}
  - {name: answer, type: respond, input: {name: sign}}
`
  }
}

function chosen(names: readonly string[], number: number): string {
  return names[Math.floor(number * names.length)] ?? ''
}

function outcomeOf({ status, body }: ApiAnswer): string {
  return status === 200 ? `version ${body?.version}` : `${status} ${body?.code}`
}

/** Nothing stands still for so long, whatever is killed. */
const patienceMs = 120_000
/** An update takes a second on the embedded log, and some seconds on a cluster. */
const longestDelayMs = 2000
