import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, Processes, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { CallBalances } from './call-balance.ts'
import { Guardian } from './guardian.ts'
import { MemoryWatch } from './memory-watch.ts'
import { ProcessPool } from './process-pool.ts'
import { ProcessRun } from './process-run.ts'
import { WatchedProcess, type WatchedProcessOptions } from './watched-process.ts'

export interface LocalProcessesOptions {
  readonly clock: Clock
  /** The time from the end of a process's input to SIGTERM. */
  readonly finishMs?: number
  /** The time from SIGTERM to SIGKILL. */
  readonly termMs?: number
}

/** Runs bees as processes on this machine. Each process is started by a command. */
export class LocalProcesses implements Processes {
  readonly #clock: Clock
  readonly #stop: { readonly finishMs: number; readonly termMs: number }
  readonly #guardian: Guardian
  readonly #balances = new CallBalances()

  constructor({ clock, finishMs = 10_000, termMs = 5_000 }: LocalProcessesOptions) {
    this.#clock = clock
    this.#stop = { finishMs, termMs }
    this.#guardian = new Guardian(this.#stop)
  }

  async open(options: ProcessOptions): Promise<OpenProcess> {
    const { workers = 1, bee, memoryBytes, log } = options
    if (memoryBytes !== undefined && !MemoryWatch.isPossible)
      log('warn', `memory has no effect on ${bee}: this system does not tell the memory of a process. Run the bee in an image.`)
    const balance = this.#balances.of(options.group)
    if (workers > 1) {
      const pool = new ProcessPool(workers, balance, (onChange) => this.#watched(options, { onChange, window: windowBesideOthers }))
      await pool.start()
      return pool
    }
    const watched = balance.add((onChange) => this.#watched(options, { onChange }))
    await watched.started
    return watched
  }

  #watched(options: ProcessOptions, more: Pick<WatchedProcessOptions, 'onChange' | 'window'>): WatchedProcess {
    const { bee, command } = options
    return new WatchedProcess(options, {
      clock: this.#clock,
      start: (events) => new ProcessRun(options, this.#clock, this.#guardian, events),
      ...this.#stop,
      title: `The command of ${bee}, ${command.join(' ')},`,
      advice: 'Run the command by hand to see why, or correct it in the swarm or under resolve: in waggle.yaml.',
      ...more,
    })
  }
}

/**
 * The window of a process that has neighbours: the request that it computes, and the next request. Further requests wait in Waggle for the first
 * process that is ready.
 */
const windowBesideOthers = 2
