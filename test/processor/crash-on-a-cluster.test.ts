import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogTraits } from '../../processor/ports.ts'
import { type CrashPoint, commitSteps } from '../../processor/simulation/crash.ts'
import type { SimulatedLog } from '../../processor/simulation/simulated-log.ts'
import { SimulatedStateDirectory, SimulatedStateFiles } from '../../processor/simulation/simulated-state-directory.ts'
import type { FoundRequest } from '../../topology/swarm/request/requests.ts'
import { type FunctionSwarm, newRequest, predictionsOf, type Rows, startSwarm, threeModels } from '../support/function-swarm.ts'
import { SimulatedWorld } from '../support/simulated-world.ts'

const exactlyOnce: LogTraits = { atomicCommit: true, repeatsRecords: true, handsOn: false }
const kinds: { readonly [processing: string]: LogTraits } = { exactly_once: exactlyOnce, at_least_once: { ...exactlyOnce, atomicCommit: false } }

describe('A swarm whose state is in changelogs', () => {
  for (const [processing, traits] of Object.entries(kinds)) {
    for (const step of traits.atomicCommit ? commitSteps : [...commitSteps, 'torn' as const]) {
      it(`has one stored answer and its three rows for every accepted request after a crash at ${step}, ${processing}`, async () => {
        const commits = await crashOnce(traits, null, 1)
        assert.ok(commits >= 3, `only ${commits} commits`)
        // Chance decides which partitions are written first. The dangerous case is a changelog with changes whose records are not written yet.
        const tries = step === 'torn' ? 6 : 1
        for (let commit = 0; commit < commits; commit++)
          for (let seed = 1; seed <= tries; seed++) await crashOnce(traits, { commit, step }, seed + commit)
      })
    }
  }
})

/** Runs with one crash. Returns the number of commits. */
async function crashOnce(traits: LogTraits, crash: CrashPoint | null, seed: number): Promise<number> {
  const cluster = new Cluster(traits, seed)
  const log = cluster.world.boot(crash)
  const swarm = await cluster.start(log)
  if (swarm !== null) await cluster.ask(swarm, log)
  await cluster.close(swarm, log)
  await cluster.finish()
  return log.commits
}

const longestMs = new SimulatedWorld().clock.now() + 60_000
const ids = Array.from({ length: 6 }, (_, at) => `request-${at}`)

/** Brokers and a machine's disk. Both survive the processes. */
class Cluster {
  readonly world: SimulatedWorld
  readonly #files = new SimulatedStateFiles('p')
  readonly #rows: Rows = new Map()
  readonly #accepted = new Set<string>()
  readonly #answers = new Map<string, string>()

  constructor(traits: LogTraits, seed: number) {
    this.world = new SimulatedWorld({ seed, traits, keepsState: false })
  }

  /** The started application; null if it crashed during the start. */
  async start(log: SimulatedLog): Promise<FunctionSwarm | null> {
    let swarm: FunctionSwarm | null = null
    const options = { answerPartitions: 4, commitIntervalMs: 20, states: new SimulatedStateDirectory(this.#files) }
    startSwarm(this.world, log, threeModels, predictionsOf(this.world), this.#rows, options).then(
      (started) => {
        swarm = started
      },
      () => {},
    )
    await this.world.clock.until(() => swarm !== null || log.hasCrashed)
    return swarm
  }

  async ask(swarm: FunctionSwarm, log: SimulatedLog): Promise<void> {
    for (const [at, id] of ids.entries()) {
      await this.world.clock.advance(10)
      if (at % 2 === 0) void swarm.requests.submit(newRequest(id)).then(() => this.#accepted.add(id))
      else void swarm.requests.request(newRequest(id)).then(({ answer }) => this.#answered(id, JSON.stringify(answer)))
    }
    await this.world.clock.until(() => log.hasCrashed || ids.every((id) => this.#answersOf(id).length > 0))
  }

  /** Runs a last process that does not crash, until every accepted request has its outcome. */
  async finish(): Promise<void> {
    const log = this.world.boot()
    const swarm = await this.start(log)
    if (swarm === null) throw new Error('It did not start')
    await this.world.clock.until(() => [...this.#accepted].every((id) => this.#answersOf(id).length > 0 && this.#hasRows(id)))
    await this.world.clock.advance(1000)
    for (const id of this.#accepted) {
      const found = await this.#settled(swarm, id)
      for (const answer of [...this.#answersOf(id), this.#answers.get(id) ?? found]) assert.equal(answer, found, id)
    }
    assert.deepEqual(swarm.failures, [])
    await this.close(swarm, log)
  }

  /** An answer that a torn commit has written may be in its topic before the ledger has it again. */
  async #settled(swarm: FunctionSwarm, id: string): Promise<string> {
    for (;;) {
      let found: FoundRequest | null | undefined
      void swarm.requests.find(id).then((entry) => {
        found = entry
      })
      await this.world.clock.until(() => found !== undefined)
      if (found?.answer) return JSON.stringify(found.answer)
      await this.world.clock.advance(500)
      if (this.world.clock.now() > longestMs) throw new Error(`${id} is ${found?.state ?? 'unknown'}`)
    }
  }

  async close(swarm: FunctionSwarm | null, log: SimulatedLog): Promise<void> {
    let isClosed = swarm === null
    swarm?.close().then(
      () => {
        isClosed = true
      },
      () => {},
    )
    await this.world.clock.until(() => isClosed || log.hasCrashed)
  }

  #answered(id: string, answer: string): void {
    this.#accepted.add(id)
    this.#answers.set(id, answer)
  }

  /** The answers on the respond bee's topic. A repeated answer has the same content. */
  #answersOf(id: string): readonly string[] {
    const partitions = this.world.disk.topics.get('waggle.three.answer')?.partitions ?? []
    const records = partitions.flatMap(({ records }) => records.filter(({ key }) => Buffer.from(key ?? []).toString() === id))
    return records.map(({ value }) => JSON.stringify({ kind: 'json', json: JSON.parse(Buffer.from(value ?? []).toString()) }))
  }

  #hasRows(id: string): boolean {
    return ['a', 'b', 'c'].every((bee) => this.#rows.has(`${bee}/${id}`))
  }
}
