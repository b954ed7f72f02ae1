import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { spawnEnding } from './ending-child.ts'

/** CPU and memory of a program and all its children so far. */
export interface Usage {
  readonly cpuMs: number
  readonly residentBytes: number
}

/** The line that a program prints when it is ready. */
export interface ReadyEvent {
  readonly gateway: string
  readonly clickhouse: string | null
}

/** A program that runs as a child process. The CPU time and memory of its whole process tree are measured through /proc (Linux). */
export class MeasuredProgram {
  readonly #child: ChildProcess
  readonly #said: readonly string[]
  readonly ready: ReadyEvent
  /** Settles when the program has ended for any reason. */
  readonly gone: Promise<void>

  private constructor(child: ChildProcess, ready: ReadyEvent, said: readonly string[]) {
    this.#child = child
    this.ready = ready
    this.#said = said
    this.gone = new Promise((resolve) => child.once('exit', () => resolve()))
  }

  /** Starts a TypeScript file, and waits for `{"event":"ready","gateway":…}` on its standard output. */
  static async start(
    argv: readonly string[],
    env: { readonly [name: string]: string },
    { cwd }: { readonly cwd?: string } = {},
  ): Promise<MeasuredProgram> {
    const child = spawnEnding(process.execPath, argv, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    })
    const said: string[] = []
    const { stdout, stderr } = child
    if (stdout === null || stderr === null) throw new Error(`${argv.join(' ')} has no pipes`)
    createInterface(stderr).on('line', (line) => {
      said.push(line)
      if (said.length > 50) said.shift()
    })
    for await (const line of createInterface(stdout)) {
      const event = JSON.parse(line) as ReadyEvent & { readonly event: string }
      if (event.event === 'ready') return new MeasuredProgram(child, event, said)
    }
    throw new Error(`${argv.join(' ')} ended before it was ready:\n${said.join('\n')}`)
  }

  get lastWords(): string {
    return this.#said.join('\n')
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  usage(): Usage {
    const members = this.#tree()
    return {
      cpuMs: members.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      residentBytes: members.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    }
  }

  /** Suspends the process until `thaw`. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Stops the program and returns its exit status. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    await this.gone
    return this.#child.exitCode
  }

  async kill(what: 'alone' | 'with its children'): Promise<void> {
    for (const { pid } of what === 'alone' ? this.#tree().slice(0, 1) : this.#tree()) killNow(pid)
    await this.gone
  }

  /** The program's process, followed by its descendants. */
  #tree(): readonly ProcessUsage[] {
    const processes = allProcesses()
    const tree = processes.filter(({ pid }) => pid === this.#child.pid)
    for (const { pid } of tree) tree.push(...processes.filter(({ parent }) => parent === pid))
    return tree
  }
}

/** A child may end between the look and the kill, because its guardian ends it when its parent is gone. */
function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

interface ProcessUsage extends Usage {
  readonly pid: number
  readonly parent: number
}

/** All processes, from fields of proc_pid_stat(5): 4 (parent), 14 and 15 (user and system ticks), 24 (resident pages). */
function allProcesses(): readonly ProcessUsage[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .map(Number)
      const [parent = 0, user = 0, system = 0, pages = 0] = [fields[1], fields[11], fields[12], fields[21]]
      return [{ pid, parent, cpuMs: (user + system) * tickMs, residentBytes: pages * pageBytes }]
    } catch {
      return [] // The process has ended meanwhile.
    }
  })
}

const tickMs = 10
const pageBytes = 4096
