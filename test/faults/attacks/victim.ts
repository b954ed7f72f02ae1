import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
export const teddyDirectory = join(root, 'swarms', 'teddy-bear-detector')

/**
 * One process with several swarms that strangers reach:
 *
 *     neighbour   a module that adds one, for the callers who must not notice an attack
 *     echo        a module that returns its input, and writes a row a request
 *     throwing    a module that throws
 *     giving      a module that returns values that nobody can encode, chosen by name
 *     boxed       a container bee that dies, floods or stays silent on request
 *     photos      the teddy-bear detector
 */
export class Victim {
  readonly directory: string
  readonly #program: MeasuredProgram

  private constructor(directory: string, program: MeasuredProgram) {
    this.directory = directory
    this.#program = program
  }

  static async start(env: { readonly [name: string]: string } = {}): Promise<Victim> {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-attacks-'))
    for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
    return Victim.again(directory, env)
  }

  /** Starts the process again on the same data, after a stop or a kill. */
  static async again(directory: string, env: { readonly [name: string]: string } = {}): Promise<Victim> {
    const swarms = Object.keys(files).filter((name) => name.endsWith('.yaml') && name !== 'waggle.yaml')
    const argv = [
      join(root, 'ops', 'cli', 'main.ts'),
      'run',
      ...swarms.map((name) => join(directory, name)),
      join(teddyDirectory, 'swarm.yaml'),
      '--json',
    ]
    const program = await MeasuredProgram.start(argv, {
      WAGGLE_HTTP_PORT: '0',
      WAGGLE_CLICKHOUSE_PORT: '0',
      WAGGLE_DATA_DIR: join(directory, 'data'),
      ...env,
    })
    return new Victim(directory, program)
  }

  get program(): MeasuredProgram {
    return this.#program
  }

  get url(): string {
    return this.#program.ready.gateway
  }

  get clickhouse(): string {
    return this.#program.ready.clickhouse ?? ''
  }

  post(
    gateway: string,
    body: NonNullable<RequestInit['body']>,
    headers: { readonly [name: string]: string } = {},
    verb: 'request' | 'submit' = 'request',
  ): Promise<Response> {
    return fetch(`${this.url}/v1/gateways/${gateway}/${verb}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
      signal: AbortSignal.timeout(60_000),
    })
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`${this.url}/readyz`)).status === 200
  }

  /** Stops the process and returns its exit status. */
  async stop(): Promise<number | null> {
    const status = await this.#program.stop()
    rmSync(this.directory, { recursive: true, force: true })
    return status
  }
}

const files = {
  'neighbour.yaml': `name: neighbour
bees:
  - {name: entrance, type: gateway-input, spec: {name: neighbour}}
  - {name: add, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: add}}
  - {name: answer, type: respond, input: {name: add}}
`,
  'echo.yaml': `name: echo
bees:
  - {name: entrance, type: gateway-input, spec: {name: echo}}
  - {name: give, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: echo}}
  - {name: answer, type: respond, input: {name: give}}
  - {name: save, type: save-to-database, input: {stack: [give]}, spec: {table: echoes}}
`,
  'throwing.yaml': `name: throwing
bees:
  - {name: entrance, type: gateway-input, spec: {name: throwing}}
  - {name: throws, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: throws}}
  - {name: answer, type: respond, input: {name: throws}}
`,
  'giving.yaml': `name: giving
bees:
  - {name: entrance, type: gateway-input, spec: {name: giving}}
  - {name: give, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: give}}
  - {name: also, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: plain}}
  - {name: together, type: weighted-average-ensemble, input: {join: [give, also]}, timeout_seconds: 20}
  - {name: answer, type: respond, input: {name: together}}
  - {name: save, type: save-to-database, input: {stack: [give, also]}, spec: {table: gifts}}
`,
  'boxed.yaml': `name: boxed
bees:
  - {name: entrance, type: gateway-input, spec: {name: boxed}}
  - {name: box, type: container, input: {name: entrance}, spec: {image: box}, timeout_seconds: 10}
  - {name: answer, type: respond, input: {name: box}}
`,
  'waggle.yaml': `resolve:
  "box": [node, ./box.mjs]
`,
  'functions.mjs': `
export const add = ({ number }) => ({ number: number + 1 })
export const echo = (input) => input
export const throws = () => { throw new Error('this bee always throws') }
export const plain = () => ({ label: 'a', scores: { a: 0.5, b: 0.5 } })
const deep = (levels) => { let value = []; for (let at = 0; at < levels; at++) value = [value]; return value }
const gifts = {
  plain,
  undefined: () => undefined,
  nan: () => ({ label: 'a', scores: { a: NaN, b: 1 } }),
  infinity: () => ({ label: 'a', scores: { a: Infinity, b: 1 } }),
  bigint: () => 12345678901234567890n,
  cycle: () => { const one = {}; one.one = one; return one },
  deep: () => deep(100_000),
  throwsWhenRead: () => ({ get label() { throw new Error('not to be read') } }),
  throwsAsJson: () => ({ toJSON() { throw new Error('not to be written') } }),
  proxy: () => new Proxy({}, { ownKeys() { throw new Error('no keys') } }),
  endlessTensor: () => ({ tensors: { t: { datatype: 'FP32', shape: [1e308, 0], data: new Float32Array(0) } } }),
  wrongTensor: () => ({ tensors: { t: { datatype: 'FP32', shape: [3], data: new Float32Array(1) } } }),
  negativeTensor: () => ({ tensors: { t: { datatype: 'FP32', shape: [-1, -1], data: new Float32Array(1) } } }),
  noTensor: () => ({ tensors: { t: { datatype: 'constructor', shape: [1], data: new Float32Array(1) } } }),
  names: () => ({ label: 'constructor', scores: { constructor: 0.9, __proto__: 0.1, toString: 0 } }),
  proto: () => JSON.parse('{"label": "__proto__", "scores": {"__proto__": 0.75, "constructor": 0.25}}'),
  strings: () => ({ label: '\\ud800', scores: { '\\ud800': 1 } }),
  long: () => ({ label: 'a', scores: { a: 1 }, text: 'x'.repeat(40_000_000) }),
  many: () => ({ label: 'a', scores: Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => ['l' + at, 0])) }),
  throwsAnything: () => { throw { toString() { throw new Error('no words') } } },
  throwsNull: () => { throw null },
  throwsLong: () => { throw new Error('x'.repeat(10_000_000)) },
}
export const give = ({ gift }) => gifts[gift]()
`,
  'box.mjs': `
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
process.stdout.write('{"waggle": 1}\\n')
for await (const line of createInterface(process.stdin)) {
  if (line.trim() === '') continue
  const message = JSON.parse(line)
  const { id, json: payload } = message
  if (payload?.die) { spawn('sleep', ['300'], { stdio: 'inherit', detached: true }); process.exit(3) }
  if (payload?.silent) continue
  if (payload?.slowly) await new Promise((resolve) => setTimeout(resolve, payload.slowly))
  if (payload?.flood === 'stderr') for (let at = 0; at < 200_000; at++) process.stderr.write('x'.repeat(900) + '\\n')
  if (payload?.flood === 'ids') for (let at = 0; at < 200_000; at++) process.stdout.write(JSON.stringify({ id: 1e9 + at, json: at }) + '\\n')
  if (payload?.flood === 'blank') process.stdout.write('\\n'.repeat(2_000_000))
  if (payload?.flood === 'line') process.stdout.write('x'.repeat(100_000_000))
  if (payload?.rubbish) process.stdout.write('this is no message\\n')
  const answer = JSON.stringify({ id, json: payload }) + '\\n'
  process.stdout.write(answer)
  if (payload?.twice) process.stdout.write(answer)
}
`,
}
