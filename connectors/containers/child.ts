import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock } from '../../processor/ports.ts'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { Guardian } from './guardian.ts'
import { ProcessLog } from './process-log.ts'

export interface ChildEvents {
  stdout(chunk: Buffer): void
  /** Once, when the process is gone or could not be started. `why` ends the sentence "it …". */
  gone(why: string): void
}

/**
 * One run of a bee's program, in a process group of its own: a terminal's Ctrl-C is for Waggle, which tells its processes in order.
 * The group ends with the program, so that nothing which the program started outlives it or holds its pipes.
 */
export class Child {
  readonly #clock: Clock
  readonly #events: ChildEvents
  readonly #process: ChildProcess | null
  readonly #log: ProcessLog | null
  readonly #guardian: Guardian
  #isGone = false
  #cancelTimer = () => {}

  constructor({ command, env, swarm, bee, log }: ProcessOptions, clock: Clock, guardian: Guardian, events: ChildEvents) {
    this.#clock = clock
    this.#events = events
    this.#guardian = guardian
    const [program = '', ...argv] = command
    this.#process = spawned(program, argv, { ...inherited(), ...env, WAGGLE_PROTOCOL: '1', WAGGLE_SWARM: swarm, WAGGLE_BEE: bee }, (why) =>
      this.#gone(why),
    )
    const { pid, stdin, stdout, stderr } = this.#process ?? {}
    this.#log = stderr == null ? null : new ProcessLog(stderr, clock, (line) => log('info', line))
    // A write to a process that has just died fails; `exit` tells of the death.
    stdin?.on('error', () => {})
    stdout?.on('error', () => {})
    stdout?.on('data', (chunk: Buffer) => events.stdout(chunk))
    stdout?.on('end', () => this.#exitSoon())
    if (pid !== undefined) guardian.watch(pid)
    this.#process?.on('exit', (code, signal) => this.#exited(signal === null ? `ended with status ${code}` : `was ended by ${signal}`))
  }

  /** The last lines that it wrote to its log. */
  get lastWords(): readonly string[] {
    return this.#log?.lastLines ?? []
  }

  write(bytes: Buffer): void {
    this.#process?.stdin?.write(bytes)
  }

  /** Bytes that the process has not read yet. */
  get unreadBytes(): number {
    return this.#process?.stdin?.writableLength ?? 0
  }

  onDrain(callback: () => void): void {
    this.#process?.stdin?.on('drain', callback)
  }

  end(): void {
    this.#process?.stdin?.end()
  }

  /** Signals the whole group. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    const pid = this.#process?.pid
    if (this.#isGone || pid === undefined) return
    try {
      process.kill(-pid, signal)
    } catch {
      this.#process?.kill(signal)
    }
  }

  /** A process without its standard output can answer nothing: it has a moment to exit by itself. */
  #exitSoon(): void {
    if (this.#isGone || this.#process?.exitCode !== null || this.#process.signalCode !== null) return
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(drainMs, () => this.kill('SIGKILL'))
  }

  /** What the program wrote last is still in its pipes: they are read to their end, for a bounded time, since a process outside of the group may hold them. */
  #exited(why: string): void {
    this.kill('SIGKILL')
    this.#log?.drain()
    this.#cancelTimer()
    this.#cancelTimer = this.#clock.after(drainMs, () => this.#gone(why))
    this.#process?.on('close', () => this.#gone(why))
  }

  #gone(why: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.#cancelTimer()
    if (this.#process?.pid !== undefined) this.#guardian.forget(this.#process.pid)
    this.#process?.stdin?.destroy()
    this.#process?.stdout?.destroy()
    this.#log?.end()
    this.#events.gone(why)
  }
}

/** `failed` is called in a later turn, and instead of `exit`. Where the machine has no descriptors left, the process has no pipes. */
function spawned(program: string, argv: readonly string[], env: NodeJS.ProcessEnv, failed: (why: string) => void): ChildProcess | null {
  try {
    const child: ChildProcess = spawn(program, argv, { detached: true, env, stdio: 'pipe' })
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) failed(error.code === 'ENOENT' ? `cannot be found: ${program}` : `cannot be started: ${error.message}`)
    })
    return child
  } catch (thrown) {
    setImmediate(failed, `cannot be started: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    return null
  }
}

/** Nothing of Waggle's own environment that could hold a secret. */
function inherited(): { [name: string]: string } {
  return Object.fromEntries(
    ['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  )
}

const drainMs = 1000
