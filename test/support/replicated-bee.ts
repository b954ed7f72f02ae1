import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SwarmHost } from '../../bees/hosting/host.ts'
import { payloadOfInput } from '../../bees/hosting/payload-input.ts'
import { BeeRegistry } from '../../bees/registry.ts'
import { beePorts } from '../../ops/beekeeper/bee-ports.ts'
import type { AsyncCall } from '../../topology/async-step.ts'
import { checkSwarm } from '../../topology/swarm/check/check-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { SwarmDocument } from '../../topology/swarm/swarm-document.ts'
import { eventually } from './swarm-here.ts'

interface Timer {
  readonly atMs: number
  readonly act: () => void
}

/**
 * One bee of a swarm with its real processes, containers or threads. The clock that decides the number of replicas is the test's clock, so that a
 * minute of load takes no time.
 */
export class ReplicatedBee implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'waggle-replicated-'))
  readonly #signal = new AbortController().signal
  #nowMs = 1_700_000_000_000
  #timers: readonly Timer[] = []
  #host: SwarmHost | null = null
  #worker: Awaited<ReturnType<SwarmHost['open']>> | null = null
  #requests = 0
  /** The lines of the bee's log. */
  readonly lines: string[] = []

  /** `settings`: the lines of the swarm file about the bee `work`, without its name and its input. `files`: files beside the swarm file. */
  static async open(settings: string, files: { readonly [name: string]: string | Uint8Array } = {}): Promise<ReplicatedBee> {
    const bee = new ReplicatedBee()
    try {
      await bee.#open(settings, files)
      return bee
    } catch (thrown) {
      await bee[Symbol.asyncDispose]()
      throw thrown
    }
  }

  async #open(settings: string, files: { readonly [name: string]: string | Uint8Array }): Promise<void> {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.#directory, name), content)
    const registry = new BeeRegistry()
    const yaml = `name: s
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: work, input: {name: entrance}, ${settings}}
  - {name: answer, type: respond, input: {name: work}}`
    const { bees, name: swarm } = checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), registry)
    const reserved = { gpu: 'prefer', model_hosts: '', model_memory_bytes: 2 ** 30, data_dir: join(this.#directory, 'data'), dev: 0 } as const
    this.#host = await SwarmHost.create({
      swarm,
      registry,
      bees,
      ports: beePorts({
        settings: { ...reserved, http_call_hosts: '', postgres_hosts: null, image_hosts: null, python_requirements: 'packages' },
        threads: 1,
        database: noDatabase,
      }),
      specOf: ({ spec }) => spec,
      fileAndLineOf: () => 'swarm.yaml:1:1',
      now: () => this.#nowMs,
      after: (ms, act) => {
        const timer = { atMs: this.#nowMs + ms, act }
        this.#timers = [...this.#timers, timer]
        return () => {
          this.#timers = this.#timers.filter((one) => one !== timer)
        }
      },
      resolve: async (path) => join(this.#directory, path),
      resolveCommand: () => null,
      log: (_, level, line) => void this.lines.push(`${level} ${line}`),
    })
    const work = bees.find(({ name }) => name === 'work')
    if (work === undefined) throw new Error('The swarm has no bee work')
    this.#worker = await this.#host.open(work, 1)
  }

  /** The number of replicas, and the changes so far. */
  get counts() {
    const [counts] = this.#host?.replicas ?? []
    if (counts === undefined) throw new Error('The bee has no replicas')
    return { replicas: counts.replicas, ...counts.changes }
  }

  /** Lets half a second pass while as many calls as `inputs` are in flight. Then waits for their results, and for the change that follows. */
  async halfSecond(inputs: readonly unknown[] = []): Promise<readonly Payload[]> {
    const results = inputs.map((input) => this.#call(input))
    // Each call has reached its replica, which cannot answer before the next turn of the event loop.
    for (let microtasks = 0; microtasks < 50; microtasks++) await Promise.resolve()
    this.#nowMs += 500
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#timers = this.#timers.filter((timer) => !due.includes(timer))
    for (const { act } of due) act()
    const given = await Promise.all(results)
    // The next look at the load is scheduled after the change. A container or a thread may be started for the change.
    await eventually(async () => this.#timers.length > 0)
    return given
  }

  async #call(input: unknown): Promise<Payload> {
    const call: AsyncCall<string> = {
      key: `r${this.#requests++}`,
      value: null,
      headers: [],
      timestamp: this.#nowMs,
      attempt: 1,
      metadata: { topic: 'waggle.s.entrance', partition: 0, offset: 0n },
      signal: this.#signal,
    }
    const [result] = (await this.#worker?.call([payloadOfInput(input, 'application/json')], [call])) ?? []
    if (result === undefined || result instanceof Error || !('kind' in result)) throw result ?? new Error('The bee gave no result')
    return result
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.close?.()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

const noDatabase = { openTable: () => Promise.reject(new Error('There is no database')) }
