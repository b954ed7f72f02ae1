import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { MeasuredProgram } from '../../ops/bench/measured-program.ts'

const root = resolve(import.meta.dirname, '..', '..')
const run = promisify(execFile)

/** A swarm of the folder `swarms/`, run by the command of its README. */
export class ShelfSwarm implements AsyncDisposable {
  readonly #program: MeasuredProgram
  readonly #data: string
  readonly #examples: readonly Example[]

  private constructor(program: MeasuredProgram, data: string, examples: readonly Example[]) {
    this.#program = program
    this.#data = data
    this.#examples = examples
  }

  static async run(name: string, env: { readonly [variable: string]: string } = {}): Promise<ShelfSwarm> {
    const file = `swarms/${name}/swarm.yaml`
    const text = readFileSync(join(root, dirname(file), 'README.md'), 'utf8')
    assert.match(text, new RegExp(`^\`\`\`sh\\n(?:WAGGLE_SECRET_\\w+=\\S+ )*npm run -s waggle -- run ${file}\\n\`\`\`$`, 'm'))
    const data = mkdtempSync(join(tmpdir(), `waggle-${name}-`))
    try {
      const program = await MeasuredProgram.start([join(root, 'ops', 'cli', 'main.ts'), 'run', join(root, file), '--json'], {
        WAGGLE_DATA_DIR: data,
        WAGGLE_HTTP_PORT: '0',
        WAGGLE_CLICKHOUSE_PORT: '0',
        ...env,
      })
      return new ShelfSwarm(program, data, examplesIn(text))
    } catch (error) {
      rmSync(data, { recursive: true })
      throw error
    }
  }

  /** Runs each command of the README that is followed by its output, one after the other, and compares the outputs. */
  async answersAsReadmeShows(): Promise<void> {
    assert.ok(this.#examples.length > 0, 'The README shows no answer')
    for (const { command, kind, output } of this.#examples) {
      const printed = await this.#shell(command)
      if (kind === 'json') assert.deepEqual(rounded(JSON.parse(printed)), rounded(JSON.parse(output)), command)
      else assert.equal(printed.trimEnd(), output.trimEnd(), command)
    }
  }

  async request(gateway: string, body: string, contentType = 'application/json'): Promise<{ readonly status: number; readonly body: unknown }> {
    const url = `${this.#program.ready.gateway}/v1/gateways/${gateway}/request`
    const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': contentType } })
    return { status: response.status, body: await response.json() }
  }

  /** The standard output of a command of the README. The addresses of this program replace its addresses. */
  async #shell(command: string): Promise<string> {
    const { gateway, clickhouse } = this.#program.ready
    const here = command.replaceAll('http://127.0.0.1:8080', gateway).replaceAll('http://127.0.0.1:8123', clickhouse ?? 'no ClickHouse')
    const { stdout } = await run('sh', ['-ec', here], { cwd: root, env: { ...process.env, WAGGLE_URL: gateway, PYTHONDONTWRITEBYTECODE: '1' } })
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const status = await this.#program.stop()
    rmSync(this.#data, { recursive: true })
    assert.equal(status, 0, this.#program.lastWords)
  }
}

/** A JSON value with its numbers rounded to three places, because the last bits of a model's output depend on the processor. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1000) / 1000
  if (Array.isArray(value)) return value.map(rounded)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, rounded(member)]))
}

interface Example {
  readonly command: string
  readonly kind: 'json' | 'text'
  readonly output: string
}

/** Blocks of commands, each with the following block of output. */
function examplesIn(readme: string): readonly Example[] {
  return [...readme.matchAll(/^```sh\n((?:(?!^```).*\n)*)```\n\n```(json|text)\n((?:(?!^```).*\n)*)```$/gm)].map(
    ([, command = '', kind = '', output = '']) => ({ command, kind: kind === 'json' ? 'json' : 'text', output }),
  )
}
