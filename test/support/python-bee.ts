import { spawnSync } from 'node:child_process'
import { delimiter, resolve } from 'node:path'
import { LocalProcesses } from '../../connectors/processes/local-processes.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { OpenProcess, ProcessCall } from '../../topology/swarm/ports/processes.ts'
import { Answered } from '../../topology/swarm/request/answered.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

/** The sources of the Python SDK, which need no installation. */
const sdkSources = resolve(import.meta.dirname, '..', '..', 'bees', 'python', 'sdk', 'src')

/** The reason to skip tests that need Python; false if they run. In CI they always run. */
export const skipWithoutPython =
  process.env.CI === 'true' || spawnSync('python3', ['--version']).status === 0 ? false : 'There is no python3 on this machine'

/** A bee of a Python file. The SDK runs it as a process of Waggle. */
export class PythonBee implements AsyncDisposable {
  readonly #open: OpenProcess
  /** The lines of the bee's log. */
  readonly lines: readonly string[]

  private constructor(open: OpenProcess, lines: readonly string[]) {
    this.#open = open
    this.lines = lines
  }

  static async open(file: string, bee: string, { python = 'python3', env = {} }: PythonBeeOptions = {}): Promise<PythonBee> {
    const lines: string[] = []
    const open = await new LocalProcesses({ clock: systemClock }).open({
      swarm: 'test',
      bee,
      command: [python, '-m', 'waggle.runner', file, bee],
      env: { PYTHONPATH: [sdkSources, env.PYTHONPATH].filter((part) => part !== undefined).join(delimiter), ...env },
      log: (_, line) => lines.push(line),
    })
    return new PythonBee(open, lines)
  }

  /** The outcome of one request. */
  async ask(payload: Payload, call: Partial<ProcessCall> = {}): Promise<Payload | WaggleError> {
    const [outcome] = await this.askAll([payload], call)
    if (outcome === undefined) throw new Error('The process gave no outcome')
    return outcome
  }

  /** The outcomes of requests that are sent together. */
  async askAll(payloads: readonly Payload[], call: Partial<ProcessCall> = {}): Promise<readonly (Payload | WaggleError)[]> {
    const { signal } = new AbortController()
    const outcomes = await this.#open.call(payloads.map((payload, at) => ({ id: `request-${at}`, deadline: null, signal, ...call, payload })))
    return outcomes.map((outcome) => (outcome instanceof Answered ? (outcome.published ?? outcome.answer) : outcome))
  }

  close(): Promise<void> {
    return this.#open.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

interface PythonBeeOptions {
  readonly python?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A JSON payload. */
export function json(value: unknown): Payload {
  return { kind: 'json', json: value }
}
