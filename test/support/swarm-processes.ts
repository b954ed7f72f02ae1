import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

const main = resolve(import.meta.dirname, '..', '..', 'ops', 'cli', 'main.ts')

/** Processes of one swarm on one cluster. Each process is started as by `waggle run`, with its own data directory. */
export class SwarmProcesses {
  /** A new name, so that tests on the same cluster do not disturb each other. */
  readonly swarm = `swarm-${randomUUID().slice(0, 8)}`
  readonly gateway = `door-${randomUUID().slice(0, 8)}`
  readonly directory = mkdtempSync(join(tmpdir(), 'waggle-processes-'))
  readonly #env: { readonly [variable: string]: string }
  readonly file: string
  readonly #running = new Set<MeasuredProgram>()

  /** `bees`: lines of the swarm file after its entrance. `functions`: a module beside the swarm file. */
  constructor(options: {
    readonly bees: string
    readonly functions: string
    readonly brokers: readonly string[]
    readonly env?: { readonly [variable: string]: string }
  }) {
    this.file = join(this.directory, 'swarm.yaml')
    const entrance = `  - {name: entrance, type: gateway-input, spec: {name: ${this.gateway}}}`
    writeFileSync(this.file, `name: ${this.swarm}\nbees:\n${entrance}\n${options.bees}\n`)
    writeFileSync(join(this.directory, 'functions.mjs'), options.functions)
    this.#env = { KAFKA_BROKERS: options.brokers.join(','), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0', ...options.env }
  }

  /** Starts a process. The same name means the same machine again. `env`: variables of this process only. `options`: further options of `run`. */
  async start(name: string, env: { readonly [variable: string]: string } = {}, options: readonly string[] = []): Promise<MeasuredProgram> {
    const program = await MeasuredProgram.start([main, 'run', this.file, '--log', 'kafka', '--json', ...options], {
      ...this.#env,
      ...env,
      WAGGLE_DATA_DIR: join(this.directory, name),
    })
    this.#running.add(program)
    void program.gone.then(() => this.#running.delete(program))
    return program
  }

  /** Runs the command `waggle` on the same cluster, with the data directory of `name`. */
  waggle(name: string, argv: readonly string[]): Promise<{ readonly status: number | null; readonly out: string; readonly err: string }> {
    return new Promise((settle) => {
      const env = { ...process.env, ...this.#env, WAGGLE_LOG: 'kafka', WAGGLE_DATA_DIR: join(this.directory, name) }
      execFile(process.execPath, [main, ...argv], { env }, (error, out, err) => {
        settle({ status: error === null ? 0 : typeof error.code === 'number' ? error.code : null, out, err })
      })
    })
  }

  /** Stops all processes and returns their exit statuses. */
  async close(): Promise<readonly (number | null)[]> {
    const statuses = await Promise.all([...this.#running].map((program) => program.stop()))
    rmSync(this.directory, { recursive: true, force: true })
    return statuses
  }

  /** Sends JSON to the entrance. */
  ask(program: MeasuredProgram, body: unknown, headers: { readonly [name: string]: string } = {}, verb = 'request'): Promise<Response> {
    return fetch(`${program.ready.gateway}/v1/gateways/${this.gateway}/${verb}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
  }
}

/** The shape of the teddy swarm with functions as models: three models in parallel, whose results are joined, answered, and each saved. */
export const threeFunctions = {
  bees: `  - {name: prepare, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: prepare}}
  - {name: batching, type: batch, input: {name: prepare}, spec: {batch_size: 8, timeout_seconds: 0.05}}
  - {name: a, type: module, input: {name: batching}, spec: {file: ./functions.mjs, bee: a}}
  - {name: b, type: module, input: {name: batching}, spec: {file: ./functions.mjs, bee: b}}
  - {name: c, type: module, input: {name: batching}, spec: {file: ./functions.mjs, bee: c}}
  - {name: together, type: weighted-average-ensemble, input: {join: [a, b, c]}, timeout_seconds: 300}
  - {name: answer, type: respond, input: {name: together}}
  - {name: save, type: save-to-database, input: {stack: [a, b, c]}, spec: {table: predictions}}`,
  functions: `export const prepare = (input) => input
const model = (weight) => ({ number }) => ({ label: number % 2 ? 'odd' : 'even', scores: { odd: number % 2, even: 1 - (number % 2), weight } })
export const a = model(0)
export const b = model(0.5)
export const c = model(1)
`,
}
