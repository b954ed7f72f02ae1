import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import type { Clock } from '../../processor/ports.ts'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { BeeRunEvents } from './bee-run.ts'
import { BeeSocket } from './bee-socket.ts'
import type { Guardian } from './guardian.ts'
import { MemoryWatch } from './memory-watch.ts'
import { outOfMemory } from './process-errors.ts'
import { drainMs, ProgramRun } from './program-run.ts'

/**
 * One run of a bee's program, in a process group of its own. A terminal's Ctrl-C therefore reaches only Waggle, which stops its processes in order.
 * When the program ends, its whole group is killed, so that no child of the program lives on and keeps the pipes open.
 */
export class ProcessRun extends ProgramRun {
  readonly #process: ChildProcess | null
  readonly #socket: BeeSocket
  readonly #guardian: Guardian
  #memory: MemoryWatch | null = null
  /** The reason why Waggle kills the process; null while Waggle lets it run. */
  #fault: string | null = null

  constructor({ command, env, cwd, swarm, bee, memoryBytes, log }: ProcessOptions, clock: Clock, guardian: Guardian, events: BeeRunEvents) {
    super({ clock, events, log })
    this.#guardian = guardian
    this.#socket = new BeeSocket((connection) => this.chosenStream?.connected(connection))
    const own = { WAGGLE_PROTOCOL: '1', WAGGLE_LOG_LINES: '1', WAGGLE_SWARM: swarm, WAGGLE_BEE: bee }
    const socket = this.#socket.path === null ? {} : { WAGGLE_BEE_SOCKET: this.#socket.path }
    const [program = '', ...argv] = command
    const all = { ...inherited(), ...env, ...own, ...socket }
    this.#process = spawned(program, argv, { env: all, ...(cwd === undefined ? {} : { cwd }) }, (why) => this.gone(why))
    if (this.#process?.stderr != null) this.addLog(this.#process.stderr)
    if (this.#process !== null)
      this.openStream(this.#process, { refuseConnection: () => this.#socket.close(), heard: (chunk) => events.stdout(chunk) })
    const pid = this.#process?.pid
    if (pid !== undefined) guardian.watch(pid)
    if (pid !== undefined && memoryBytes !== undefined) {
      const exceeded = () => {
        this.#fault = outOfMemory(memoryBytes)
        this.kill('SIGKILL')
      }
      this.#memory = new MemoryWatch(pid, { maxBytes: memoryBytes, clock, exceeded })
    }
    this.#process?.on('exit', (code, signal) =>
      this.#exited(this.#fault ?? (signal === null ? `ended with status ${code}` : `was ended by ${signal}`)),
    )
  }

  override kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    const pid = this.#process?.pid
    if (this.isGone || pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      this.#process?.kill(signal)
    }
  }

  protected override get hasEnded(): boolean {
    return this.#process?.exitCode !== null || this.#process.signalCode !== null
  }

  protected override release(): void {
    this.#memory?.close()
    this.#socket.close()
    if (this.#process?.pid !== undefined) this.#guardian.forget(this.#process.pid)
  }

  /** Reads the last output of the process, for a limited time: a process outside the group may keep a pipe open. */
  #exited(why: string): void {
    this.#memory?.close()
    this.kill('SIGKILL')
    this.drainLogs()
    this.planEnd(drainMs, () => this.gone(why))
    this.#process?.on('close', () => this.chosenStream?.onceRead(() => this.gone(why)))
  }
}

/**
 * Starts the process; null if the machine has no file descriptors left. In that case `failed` is called in a later turn of the event loop, and there
 * is no `exit` event.
 */
function spawned(
  program: string,
  argv: readonly string[],
  options: Pick<SpawnOptions, 'env' | 'cwd'>,
  failed: (why: string) => void,
): ChildProcess | null {
  try {
    const child: ChildProcess = spawn(program, argv, { ...options, detached: true, stdio: 'pipe' })
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) failed(error.code === 'ENOENT' ? `cannot be found: ${program}` : `cannot be started: ${error.message}`)
    })
    return child
  } catch (thrown) {
    setImmediate(failed, `cannot be started: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    return null
  }
}

/** The variables that a bee inherits. Waggle's other variables may contain secrets. */
export function inherited(): { [name: string]: string } {
  return Object.fromEntries(
    ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}
