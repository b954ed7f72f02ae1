import type { Clock } from '../../processor/ports.ts'
import type { OpenProcess, Processes, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { WatchedProcess } from './watched-process.ts'

/** Bees as processes of this machine, started by a command. */
export class LocalProcesses implements Processes {
  readonly #clock: Clock

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  async open(options: ProcessOptions): Promise<OpenProcess> {
    const watched = new WatchedProcess(options, this.#clock)
    await watched.started
    return watched
  }
}
