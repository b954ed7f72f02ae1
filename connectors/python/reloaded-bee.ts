import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ReloadedProcess } from './reloaded-process.ts'
import { requirementFiles } from './requirements.ts'

export interface ReloadedBeeOptions {
  /** The bee's file. The Python files and requirements files in its folder are also watched. */
  readonly file: string
  /** The file in the bee's `spec.requirements`, which may be in another folder. This file and all files that it includes are also watched. */
  readonly requirements: string | null
  readonly clock: Clock
  readonly log: ProcessOptions['log']
}

/**
 * All processes of one bee, for development. When the bee's file changes, new processes replace them, all at once as soon as every new process is
 * ready. Each request after a reload therefore runs the changed file. If a new process cannot start, the old processes continue.
 */
export class ReloadedBee {
  readonly #options: ReloadedBeeOptions
  readonly #members = new Set<ReloadedProcess>()
  /** The number of processes that are starting for the first time. */
  #opening = 0
  /** The fingerprint of the files that the processes run; null while there is no process. */
  #loaded: string | null = null
  #seen = ''
  #reloading: Promise<void> | null = null
  #cancel = () => {}

  constructor(options: ReloadedBeeOptions) {
    this.#options = options
  }

  /** `open` starts a process of the bee. The process runs the file as it is at that time. */
  async open(open: () => Promise<OpenProcess>): Promise<OpenProcess> {
    // A process that starts during a reload must run the same file as the others, so it waits.
    while (this.#reloading !== null) await this.#reloading
    this.#opening++
    if (this.#loaded === null) {
      this.#loaded = fingerprintOf(this.#options)
      this.#seen = this.#loaded
      this.#lookLater()
    }
    try {
      const member = await ReloadedProcess.open(open, () => {
        this.#members.delete(member)
        this.#rest()
      })
      this.#members.add(member)
      return member
    } finally {
      this.#opening--
      this.#rest()
    }
  }

  /** Stops watching the files if there is no process. */
  #rest(): void {
    if (this.#members.size + this.#opening > 0) return
    this.#cancel()
    this.#loaded = null
  }

  #lookLater(): void {
    this.#cancel()
    this.#cancel = this.#options.clock.after(lookMs, () => this.#look())
  }

  /**
   * Checks the files. A change counts only when two checks in a row have found the same state, because an editor may write a file in several steps.
   */
  #look(): void {
    const fingerprint = fingerprintOf(this.#options)
    const isStable = fingerprint === this.#seen
    this.#seen = fingerprint
    if (!isStable || fingerprint === this.#loaded || this.#opening > 0 || this.#reloading !== null) {
      this.#lookLater()
      return
    }
    this.#loaded = fingerprint
    this.#reloading = this.#reload().finally(() => {
      this.#reloading = null
      if (this.#members.size > 0) this.#lookLater()
    })
  }

  async #reload(): Promise<void> {
    const { log } = this.#options
    log('info', 'its file has changed: starting it anew')
    const members = [...this.#members]
    const prepared = await Promise.allSettled(members.map((member) => member.prepare()))
    const failed = prepared.find((one) => one.status === 'rejected')
    if (failed === undefined) {
      for (const member of members) member.take()
      log('info', 'the changed file takes the next requests')
      return
    }
    for (const member of members) member.drop()
    const error = WaggleError.from('WAGGLE_BEE_NOT_STARTED', failed.reason, { next: 'Correct the file.' })
    log('error', `${error.place === undefined ? '' : `${error.place}: `}${error.message}. ${error.next} The file as it was before goes on.`)
  }
}

/** The reloaded bees, by the groups of their processes. */
export class ReloadedBees {
  readonly #byGroup = new WeakMap<object, ReloadedBee>()

  /** The bee with this group. A process without a group gets a separate bee. */
  of(group: object = {}, options: ReloadedBeeOptions): ReloadedBee {
    const bee = this.#byGroup.get(group) ?? new ReloadedBee(options)
    this.#byGroup.set(group, bee)
    return bee
  }
}

/** A text that changes when a watched file changes. */
function fingerprintOf({ file, requirements }: ReloadedBeeOptions): string {
  const folder = dirname(file)
  const beside = names(folder).filter((name) => /\.(py|ipynb)$|^requirements.*\.txt$|^pyproject\.toml$/.test(name))
  const paths = new Set([file, ...beside.slice(0, maxFiles).map((name) => join(folder, name)), ...requirementFiles(requirements, file)])
  return [...paths].map((path) => `${path} ${fileFingerprintOf(path)}`).join('\n')
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

function fileFingerprintOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats === undefined ? 'gone' : `${stats.mtimeMs} ${stats.size}`
}

const lookMs = 200
const maxFiles = 1000
