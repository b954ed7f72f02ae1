import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, ProcessCall, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { requirementFiles } from './requirements.ts'

export interface ReloadOptions {
  /** The bee's file. The Python files and requirements files in its folder are watched too. */
  readonly file: string
  /** The file in the bee's `spec.requirements`, which may be in another folder. It is watched too, with all files that it includes. */
  readonly requirements: string | null
  /** Starts processes that run the file as it is now. */
  readonly open: () => Promise<OpenProcess>
  readonly clock: Clock
  readonly log: ProcessOptions['log']
}

/**
 * Processes that are replaced when their file changes, for development. When the new processes are ready, they take the waiting calls and all later
 * ones. The old processes finish their running calls, so no call is lost. If the new processes cannot start, the old ones go on.
 */
export class ReloadedProcess implements OpenProcess {
  readonly #options: ReloadOptions
  #now: OpenProcess
  #loaded: string
  #seen: string
  #isClosed = false
  #cancel = () => {}
  /** Replaced processes that finish their calls. */
  readonly #old = new Set<OpenProcess>()
  /** The ends of replaced processes, and a start that is running now. */
  readonly #pending = new Set<Promise<void>>()

  private constructor(options: ReloadOptions, first: OpenProcess, loaded: string) {
    this.#options = options
    this.#now = first
    this.#loaded = loaded
    this.#seen = loaded
    this.#lookLater()
  }

  static async open(options: ReloadOptions): Promise<ReloadedProcess> {
    const loaded = stateOf(options)
    return new ReloadedProcess(options, await options.open(), loaded)
  }

  get isReady(): boolean {
    return this.#now.isReady
  }

  get wantsParts(): boolean {
    return this.#now.wantsParts === true
  }

  call(calls: readonly ProcessCall[]): Promise<readonly (BeeResult | WaggleError)[]> {
    return this.#now.call(calls)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await Promise.all([...this.#old].map((old) => old.close()))
    await Promise.all(this.#pending)
    await this.#now.close()
  }

  #lookLater(): void {
    if (!this.#isClosed) this.#cancel = this.#options.clock.after(lookMs, () => this.#look())
  }

  /** A change counts only when two looks in a row have found the same state, because an editor may write a file in several steps. */
  #look(): void {
    const state = stateOf(this.#options)
    const isStable = state === this.#seen
    this.#seen = state
    if (!isStable || state === this.#loaded) {
      this.#lookLater()
      return
    }
    this.#loaded = state
    this.#wait(this.#reload().finally(() => this.#lookLater()))
  }

  async #reload(): Promise<void> {
    const { open, log } = this.#options
    log('info', 'its file has changed: starting it anew')
    try {
      const next = await open()
      if (this.#isClosed) return await next.close()
      const before = this.#now
      this.#now = next
      log('info', 'the changed file takes the next requests')
      this.#old.add(before)
      this.#wait(before.close(this).finally(() => this.#old.delete(before)))
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_BEE_NOT_STARTED', thrown, { next: 'Correct the file.' })
      log('error', `${error.place === undefined ? '' : `${error.place}: `}${error.message}. ${error.next} The file as it was before goes on.`)
    }
  }

  #wait(work: Promise<void>): void {
    const pending = work.finally(() => this.#pending.delete(pending))
    this.#pending.add(pending)
  }
}

/** A text that changes when a watched file changes. */
function stateOf({ file, requirements }: ReloadOptions): string {
  const folder = dirname(file)
  const beside = names(folder).filter((name) => /\.(py|ipynb)$|^requirements.*\.txt$|^pyproject\.toml$/.test(name))
  const paths = new Set([file, ...beside.slice(0, maxFiles).map((name) => join(folder, name)), ...requirementFiles(requirements, file)])
  return [...paths].map((path) => `${path} ${stampOf(path)}`).join('\n')
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'gone' : `${stats.mtimeMs} ${stats.size}`
}

const lookMs = 200
const maxFiles = 1000
