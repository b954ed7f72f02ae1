import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, Processes, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { Child } from './child.ts'
import { Guardian } from './guardian.ts'
import { WatchedProcess } from './watched-process.ts'

export interface LocalProcessesOptions {
  readonly clock: Clock
  /** The time from the end of a process's input to SIGTERM. */
  readonly finishMs?: number
  /** The time from SIGTERM to SIGKILL. */
  readonly termMs?: number
}

/** Runs bees as processes on this machine, each by a command. */
export class LocalProcesses implements Processes {
  readonly #clock: Clock
  readonly #stop: { readonly finishMs: number; readonly termMs: number }
  readonly #guardian: Guardian

  constructor({ clock, finishMs = 10_000, termMs = 5_000 }: LocalProcessesOptions) {
    this.#clock = clock
    this.#stop = { finishMs, termMs }
    this.#guardian = new Guardian(this.#stop)
  }

  async open(options: ProcessOptions): Promise<OpenProcess> {
    const { bee, command } = options
    const watched = new WatchedProcess(options, {
      clock: this.#clock,
      start: (events) => new Child(options, this.#clock, this.#guardian, events),
      ...this.#stop,
      title: `The command of ${bee}, ${command.join(' ')},`,
      advice: 'Run the command by hand to see why, or correct it in the swarm or under resolve: in waggle.yaml.',
    })
    await watched.started
    return watched
  }
}
