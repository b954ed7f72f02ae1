import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, Processes, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { Guardian } from './guardian.ts'
import { WatchedProcess } from './watched-process.ts'

export interface LocalProcessesOptions {
  readonly clock: Clock
  /** How long a process may go on after its input ended, before SIGTERM. */
  readonly finishMs?: number
  /** How long after SIGTERM it gets SIGKILL. */
  readonly termMs?: number
}

/** Bees as processes of this machine, started by a command. */
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
    const watched = new WatchedProcess(options, { clock: this.#clock, guardian: this.#guardian, ...this.#stop })
    await watched.started
    return watched
  }
}
