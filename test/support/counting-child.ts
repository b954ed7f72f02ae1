import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawnEnding } from '../../ops/bench/ending-child.ts'

interface Said {
  readonly state: string
  readonly restoredRecords: number
  readonly tasks: readonly string[]
  readonly standbys: readonly string[]
  readonly failures: readonly string[]
}

export interface CountingOptions {
  readonly brokers: readonly string[]
  readonly applicationId: string
  readonly input: string
  readonly stateDir: string
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly standbyReplicas?: number
  /** `everything`: runs `everythingOf` the input, with timeouts for a busy machine. */
  readonly program?: 'counts' | 'everything'
}

/** A `counting-process` in the form that a test uses. */
export class CountingChild {
  readonly #child: ChildProcess
  #said: Said = { state: 'CREATED', restoredRecords: 0, tasks: [], standbys: [], failures: [] }
  #heard: (() => void) | null = null
  readonly #ended: Promise<void>
  #isTold = false

  constructor(options: CountingOptions) {
    const program = join(import.meta.dirname, 'counting-process.ts')
    this.#child = spawnEnding(process.execPath, [program, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    if (this.#child.stdout === null) return
    createInterface(this.#child.stdout).on('line', (line) => {
      this.#said = JSON.parse(line) as Said
      this.#heard?.()
    })
  }

  /** True if the process has ended without being asked to. */
  get hasDied(): boolean {
    return !this.#isTold && (this.#child.exitCode !== null || this.#child.signalCode !== null)
  }

  get said(): Said {
    return this.#said
  }

  async until(isSo: (said: Said) => boolean): Promise<Said> {
    while (!isSo(this.#said)) {
      if (this.#child.exitCode !== null) throw new Error(`it ended with ${this.#child.exitCode}`)
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
    return this.#said
  }

  async kill(): Promise<void> {
    this.#isTold = true
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    this.#isTold = true
    this.#child.stdin?.end()
    await this.#ended
  }
}
