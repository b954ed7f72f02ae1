import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** What a program and all its children have used so far. */
export interface Usage {
  readonly cpuMs: number
  readonly residentBytes: number
}

/** A program of its own process group, whose whole tree is measured by /proc (Linux). */
export class MeasuredProgram {
  readonly #child: ChildProcess
  /** That it said it answers at. */
  readonly url: string

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  /** Runs a TypeScript file until it says `{"event":"ready","gateway":…}` on its standard output. */
  static async start(argv: readonly string[], env: { readonly [name: string]: string }): Promise<MeasuredProgram> {
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    const said: string[] = []
    createInterface(child.stderr).on('line', (line) => {
      said.push(line)
      if (said.length > 20) said.shift()
    })
    for await (const line of createInterface(child.stdout)) {
      const event = JSON.parse(line) as { readonly event: string; readonly gateway: string }
      if (event.event === 'ready') return new MeasuredProgram(child, event.gateway)
    }
    throw new Error(`${argv.join(' ')} ended before it was ready:\n${said.join('\n')}`)
  }

  usage(): Usage {
    const processes = allProcesses()
    const tree = [this.#child.pid ?? 0]
    for (const pid of tree) tree.push(...processes.filter(({ parent }) => parent === pid).map((child) => child.pid))
    const members = processes.filter(({ pid }) => tree.includes(pid))
    return {
      cpuMs: members.reduce((sum, { cpuMs }) => sum + cpuMs, 0),
      residentBytes: members.reduce((sum, { residentBytes }) => sum + residentBytes, 0),
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await exited
  }
}

interface ProcessUsage extends Usage {
  readonly pid: number
  readonly parent: number
}

/** proc_pid_stat(5): fields 4 (parent), 14 and 15 (user and system ticks), 24 (resident pages). */
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
      return [] // It has ended meanwhile.
    }
  })
}

const tickMs = 10
const pageBytes = 4096
