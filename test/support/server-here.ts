import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Beekeeper } from '../../ops/beekeeper/beekeeper.ts'
import { loadConfig } from '../../ops/config/config.ts'
import { LogThreshold } from '../../ops/process-log/log-threshold.ts'
import { Definitions } from '../../ops/served/definitions.ts'
import { Redaction } from '../../topology/swarm/secrets/redaction.ts'
import type { Env } from './swarm-here.ts'

/** A server in this process, as `waggle serve` starts it, in its own directory. It can be stopped and started again. */
export class ServerHere {
  /** The directory in which the server was started. */
  readonly root: string
  /** The lines of the server's log. */
  readonly said: string[] = []
  readonly #env: Env
  #beekeeper: Beekeeper | null = null

  private constructor(root: string, env: Env) {
    this.root = root
    this.#env = env
  }

  /** `root`: the directory of a stopped server. Default: a new directory. */
  static async open(env: Env = {}, root = mkdtempSync(join(tmpdir(), 'waggle-server-'))): Promise<ServerHere> {
    const server = new ServerHere(root, env)
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const env = {
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
      WAGGLE_DATA_DIR: join(this.root, 'data'),
      WAGGLE_SHUTDOWN_SECONDS: '1',
      ...this.#env,
    }
    const { settings } = loadConfig({ directories: [this.root], env })
    let levels = LogThreshold.parse(settings.log_level)
    this.#beekeeper = await Beekeeper.open({
      settings,
      logLevels: {
        get text() {
          return levels.text
        },
        set: (text) => {
          levels = LogThreshold.parse(text)
        },
      },
      swarms: [],
      server: { root: this.root, env },
      say: (_, level, message) => void this.said.push(`${level} ${message}`),
      redaction: new Redaction(new Map()),
      onProgress: () => {},
    })
  }

  async stop(): Promise<void> {
    await this.#beekeeper?.close()
    this.#beekeeper = null
  }

  /** Writes version 2 of a swarm into the log of a stopped server. */
  async define(swarm: string, text: string): Promise<void> {
    const log = await openEmbeddedLog({ directory: join(this.root, 'data', 'log'), clock: systemClock })
    const definitions = await Definitions.open({ log, clock: systemClock, say: () => {}, newId: () => '0123456789abcdef' })
    const claim = await definitions.claim(swarm)
    await definitions.put({ swarm, version: 2, created_at: 1, text, file: 'swarm.yaml', directory: '.' }, false, claim)
    await claim.end()
    await definitions.close()
    await log.close()
  }

  get url(): string {
    return this.#beekeeper?.url ?? ''
  }

  get clickhouseUrl(): string {
    return this.#beekeeper?.clickhouseUrl ?? ''
  }

  /** Writes a file below the server's directory. */
  write(path: string, content: string): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true })
    writeFileSync(join(this.root, path), content)
  }

  /** Calls the API. A text is sent unchanged, and a response without a body becomes null. */
  async call(method: string, path: string, body?: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`${this.url}${path}`, { method, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) }
  }

  /** Sends a request. */
  ask(gateway: string, input: unknown, headers: Env = {}): Promise<Response> {
    return fetch(`${this.url}/v1/gateways/${gateway}/request`, {
      method: 'POST',
      body: JSON.stringify(input),
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  /** The answer of a gateway as JSON. */
  async answer(gateway: string, input: unknown): Promise<unknown> {
    return (await this.ask(gateway, input)).json()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** The text of a swarm with one module bee. Its gateway has the swarm's name. */
export function moduleSwarm(name: string, file: string): string {
  return `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: work, type: module, input: {name: entrance}, spec: {file: ${file}}}
  - {name: answer, type: respond, input: {name: work}}
`
}
