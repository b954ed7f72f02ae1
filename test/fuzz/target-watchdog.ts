import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { forkEnding } from '../../ops/bench/ending-child.ts'
import { AttemptFile } from './attempt-file.ts'
import type { TargetFiles } from './target-files.ts'
import type { TargetOrder, TargetReport } from './target-program.ts'

/** The limits of one attempt. */
export interface AttemptBounds {
  readonly attemptMs: number
  readonly attemptBytes: number
  /** The limit of the process's JavaScript heap, over all attempts. */
  readonly heapBytes: number
}

export interface Finding {
  readonly kind: 'threw' | 'hung' | 'died' | 'hogged'
  readonly message: string
  readonly input: Uint8Array
}

/** A target in a separate process, under a watchdog. A process that takes too long for one attempt is killed, and a new process replaces it. */
export class WatchedTarget {
  readonly #files: TargetFiles
  readonly #bounds: AttemptBounds
  readonly #scratch = mkdtempSync(join(tmpdir(), 'waggle-fuzz-'))
  #process: TargetProcess | null = null

  constructor(files: TargetFiles, bounds: AttemptBounds) {
    this.#files = files
    this.#bounds = bounds
  }

  /** The number of attempts of the current or last process. */
  get attempts(): number {
    return AttemptFile.read(this.#path).attempts
  }

  /** Tries mutated inputs. Ends with the finding when an input breaks a promise, or with null when the time or the count has passed. */
  async fuzz(until: { readonly seed: number; readonly durationMs: number; readonly attempts: number }): Promise<Finding | null> {
    await this.#started()
    const untilMs = performance.timeOrigin + performance.now() + until.durationMs
    return this.#ordered({ order: 'fuzz', seed: until.seed, attempts: until.attempts, untilMs })
  }

  try(input: Uint8Array): Promise<Finding | null> {
    return this.#ordered({ order: 'try', input })
  }

  async close(): Promise<void> {
    await this.#process?.close(this.#bounds.attemptMs)
    this.#process = null
    rmSync(this.#scratch, { recursive: true, force: true })
  }

  get #path(): string {
    return join(this.#scratch, 'attempt')
  }

  async #ordered(order: TargetOrder): Promise<Finding | null> {
    const started = await this.#started()
    const outcome = await started.order(order)
    if (outcome === null) return null
    if (outcome.kind !== 'threw') {
      await started.kill()
      this.#process = null
    }
    return { ...outcome, input: AttemptFile.read(this.#path).input }
  }

  async #started(): Promise<TargetProcess> {
    this.#process ??= await TargetProcess.start(this.#files, this.#path, this.#bounds)
    return this.#process
  }
}

type Outcome = Omit<Finding, 'input'>

class TargetProcess {
  readonly #child: ChildProcess
  readonly #path: string
  readonly #bounds: AttemptBounds
  #lastWords = ''

  private constructor(child: ChildProcess, path: string, bounds: AttemptBounds) {
    this.#child = child
    this.#path = path
    this.#bounds = bounds
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-maxLastWords)
    })
  }

  /** Throws if the target itself cannot be loaded, which is not a finding. */
  static async start({ module, corpus }: TargetFiles, path: string, bounds: AttemptBounds): Promise<TargetProcess> {
    const child = forkEnding(new URL('./target-program.ts', import.meta.url), [module, corpus, path, String(bounds.attemptBytes)], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${Math.ceil(bounds.heapBytes / 1024 / 1024)}`],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const started = new TargetProcess(child, path, bounds)
    const isLoaded = await Promise.race([once(child, 'message').then(() => true), once(child, 'close').then(() => false)])
    if (!isLoaded) throw new Error(`${module} cannot be loaded: ${started.#lastWords}`)
    return started
  }

  order(order: TargetOrder): Promise<Outcome | null> {
    return new Promise((settle) => {
      let seen = -1
      let seenAt = performance.now()
      const look = () => {
        const { attempts } = AttemptFile.read(this.#path)
        if (attempts !== seen) [seen, seenAt] = [attempts, performance.now()]
        else if (performance.now() - seenAt > this.#bounds.attemptMs)
          end({ kind: 'hung', message: `An attempt takes more than ${this.#bounds.attemptMs} ms` })
      }
      const watchdog = setInterval(look, Math.min(250, this.#bounds.attemptMs / 4))
      const onMessage = ({ failure }: TargetReport) => end(failure)
      const onClose = (code: number | null, signal: string | null) => {
        const kind = this.#lastWords.includes('heap out of memory') ? 'hogged' : 'died'
        end({ kind, message: `The process ended with ${code ?? signal}: ${this.#lastWords}` })
      }
      const end = (outcome: Outcome | null) => {
        clearInterval(watchdog)
        this.#child.off('message', onMessage).off('close', onClose)
        settle(outcome)
      }
      this.#child.on('message', onMessage).on('close', onClose)
      this.#child.send(order)
    })
  }

  async close(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs)
    const closed = once(this.#child, 'close')
    this.#child.send({ order: 'close' } satisfies TargetOrder)
    await closed
    clearTimeout(timer)
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }
}

const maxLastWords = 4096
