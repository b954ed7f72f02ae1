import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')

/** A response of the API. */
export interface ApiAnswer {
  readonly status: number
  /** The body, parsed as JSON; null if there is none. Every test names the fields that it expects. */
  readonly body: {
    readonly code?: string
    readonly state?: string
    readonly version?: number
    readonly changed?: boolean
    readonly definition?: string
    readonly detail?: string
  } | null
}

/** Processes of `waggle serve`, with one directory of swarm files and a data directory each. Those on one cluster serve the same swarms. */
export class ServerProcesses {
  /** The directory in which all servers are started. */
  readonly root = mkdtempSync(join(tmpdir(), 'waggle-servers-'))
  /** The last words of servers that have ended by themselves. */
  readonly ended: string[] = []
  readonly #env: { readonly [variable: string]: string }
  readonly #log: 'embedded' | 'kafka'
  readonly #token: string | null
  readonly #running = new Map<string, MeasuredProgram>()

  constructor(options: {
    /** Null: each server has an embedded log of its own. */
    readonly brokers: readonly string[] | null
    readonly env?: { readonly [variable: string]: string }
    /** The token of calls. Without it, the servers require no token. */
    readonly token?: string
  }) {
    this.#token = options.token ?? null
    this.#log = options.brokers === null ? 'embedded' : 'kafka'
    this.#env = {
      ...(options.brokers === null ? {} : { KAFKA_BROKERS: options.brokers.join(',') }),
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
      WAGGLE_SESSION_TIMEOUT_MS: '6000',
      ...options.env,
    }
  }

  /** The names of the servers that run now. */
  get names(): readonly string[] {
    return [...this.#running.keys()]
  }

  /** The address of a server. */
  url(name: string): string {
    return this.#of(name).ready.gateway
  }

  write(path: string, content: string): void {
    writeFileSync(join(this.root, path), content)
  }

  /** Starts a server, and returns its address. The same name means the same machine again. `more`: variables of this server only. */
  async start(name: string, more: { readonly [variable: string]: string } = {}): Promise<string> {
    const env = { ...this.#env, ...more, WAGGLE_DATA_DIR: join(this.root, `data-${name}`) }
    const program = await MeasuredProgram.start([main, 'serve', '--log', this.#log, '--json'], env, { cwd: this.root })
    this.#running.set(name, program)
    void program.gone.then(() => {
      if (this.#running.get(name) !== program) return
      this.#running.delete(name)
      this.ended.push(`${name} ended by itself: ${program.lastWords}`)
    })
    return program.ready.gateway
  }

  /** Ends a server like a power cut. */
  async kill(name: string): Promise<void> {
    const program = this.#of(name)
    this.#running.delete(name)
    await program.kill('with its children')
  }

  /** Stops a server as an operator does, and returns its exit status. */
  async stop(name: string): Promise<number | null> {
    const program = this.#of(name)
    this.#running.delete(name)
    return program.stop()
  }

  lastWords(name: string): string {
    return this.#of(name).lastWords
  }

  /** Calls a server's API. */
  async call(name: string, method: string, path: string, body?: string): Promise<ApiAnswer> {
    const response = await this.#fetch(name, path, { method, ...(body === undefined ? {} : { body }) })
    const text = await response.text()
    return { status: response.status, body: text === '' ? null : (JSON.parse(text) as ApiAnswer['body']) }
  }

  /** Sends JSON to a gateway of a server. */
  ask(name: string, gateway: string, input: unknown, headers: { readonly [name: string]: string } = {}): Promise<Response> {
    return this.#fetch(name, `/v1/gateways/${gateway}/request`, {
      method: 'POST',
      body: JSON.stringify(input),
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  async metrics(name: string): Promise<string> {
    return (await this.#fetch(name, '/metrics', {})).text()
  }

  /** Asks a server for a swarm until `isDone` is true for the response. */
  async until(name: string, swarm: string, isDone: (answer: ApiAnswer) => boolean): Promise<ApiAnswer> {
    for (;;) {
      const answer = await this.call(name, 'GET', `/v1/swarms/${swarm}`)
      if (isDone(answer)) return answer
      await pause(20)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((program) => program.stop()))
    rmSync(this.root, { recursive: true, force: true })
  }

  #fetch(name: string, path: string, init: RequestInit & { readonly headers?: { readonly [name: string]: string } }): Promise<Response> {
    const headers = { ...init.headers, ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }) }
    return fetch(`${this.#of(name).ready.gateway}${path}`, { ...init, headers })
  }

  #of(name: string): MeasuredProgram {
    const program = this.#running.get(name)
    if (program === undefined) throw new Error(`The server ${name} does not run`)
    return program
  }
}
