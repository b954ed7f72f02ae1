import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Beekeeper } from '../../ops/beekeeper/beekeeper.ts'
import { beeRegistry } from '../../ops/config/bee-registry.ts'
import { loadConfig } from '../../ops/config/config.ts'
import { readSwarm } from '../../ops/config/swarm-file.ts'
import type { LogLevels } from '../../ops/process-log/log-line.ts'
import type { TopicRow } from '../../topology/swarm/log-management.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'

export type Env = { readonly [variable: string]: string }

/** A swarm in this process, with the settings that `waggle run` would read from the environment. Its gateway, log and bees are real. */
export class SwarmHere {
  readonly #beekeeper: Beekeeper
  readonly #directory: string
  /** The name of the swarm and of its gateway. */
  readonly name: string
  /** The lines of the swarm's log. */
  readonly said: readonly string[]

  private constructor(beekeeper: Beekeeper, place: { readonly directory: string; readonly name: string; readonly said: readonly string[] }) {
    this.#beekeeper = beekeeper
    this.#directory = place.directory
    this.name = place.name
    this.said = place.said
  }

  /**
   * `name`: the name of the swarm and of its gateway. `bees`: lines of the swarm file after its entrance. `files`: files beside the swarm file.
   * Without `bees`, the module bee `work` answers.
   */
  static async open(
    env: Env,
    {
      name = `here-${randomUUID().slice(0, 8)}`,
      bees = workAndAnswer,
      files = {},
      logLevels,
    }: {
      readonly name?: string
      readonly bees?: string
      readonly files?: { readonly [name: string]: string | Uint8Array }
      readonly logLevels?: LogLevels
    } = {},
  ): Promise<SwarmHere> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-here-'))
    const file = join(directory, 'swarm.yaml')
    const said: string[] = []
    try {
      writeFileSync(file, `name: ${name}\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: ${name}}}\n${bees}\n`)
      for (const [path, content] of Object.entries({ 'work.mjs': work, ...files })) {
        mkdirSync(dirname(join(directory, path)), { recursive: true })
        writeFileSync(join(directory, path), content)
      }
      const own = {
        WAGGLE_HTTP_PORT: '0',
        WAGGLE_CLICKHOUSE_PORT: '0',
        WAGGLE_DATA_DIR: join(directory, 'data'),
        WAGGLE_SHUTDOWN_SECONDS: '0',
        ...env,
      }
      const config = loadConfig({ directories: [directory], env: own })
      const registry = beeRegistry(directory)
      const beekeeper = await Beekeeper.open({
        settings: config.settings,
        swarms: [{ swarm: readSwarm(file, registry), registry, config }],
        say: (_, level, message) => void said.push(`${level} ${message}`),
        redaction: new Redaction(new Map()),
        onProgress: () => {},
        ...(logLevels === undefined ? {} : { logLevels }),
      })
      return new SwarmHere(beekeeper, { directory, name, said })
    } catch (error) {
      rmSync(directory, { recursive: true, force: true })
      throw error
    }
  }

  get url(): string {
    return this.#beekeeper.url
  }

  /** The address `HOST:PORT` of the gRPC services. */
  get grpc(): string {
    return this.#beekeeper.grpcAddress ?? ''
  }

  get clickhouseUrl(): string {
    return this.#beekeeper.clickhouseUrl ?? ''
  }

  /** Sends JSON to the entrance. */
  ask(body: unknown, { verb = 'request', headers = {} }: { readonly verb?: string; readonly headers?: Env } = {}): Promise<Response> {
    return fetch(`${this.url}/v1/gateways/${this.name}/${verb}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  /** The topic of this swarm whose name ends with `ending`; null if there is none, or if the gateway does not answer now. */
  async topic(ending: string): Promise<TopicRow | null> {
    const response = await fetch(`${this.url}/v1/topics`)
    if (!response.ok) return null
    const topics = (await response.json()) as readonly TopicRow[]
    return topics.find(({ name }) => name.includes(this.name) && name.endsWith(ending)) ?? null
  }

  /** Stops the swarm, as a signal would. */
  stop(): Promise<void> {
    return this.#beekeeper.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.#directory, { recursive: true, force: true })
  }
}

/** Repeats a look until it finds something, for at most 20 s. */
export async function eventually<T>(look: () => Promise<T | null | false>): Promise<T> {
  for (const end = performance.now() + 20_000; ; await pause(50)) {
    const found = await look()
    if (found !== null && found !== false) return found
    if (performance.now() > end) throw new Error('It has not happened within 20 s')
  }
}

const workAndAnswer = `  - {name: work, type: module, timeout_seconds: 60, input: {name: entrance}, spec: {file: ./work.mjs}}
  - {name: answer, type: respond, input: {name: work}}`

/** Answers with the bee's input, after `waitMs`. The wait keeps no process open. */
const work = `export default (input) => new Promise((done) => {
  if (input.waitMs === undefined) done(input)
  else setTimeout(() => done(input), input.waitMs).unref()
})
`
