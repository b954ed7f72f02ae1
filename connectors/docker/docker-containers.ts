import { randomUUID } from 'node:crypto'
import type { Clock } from '../../processor/ports.ts'
import type { ContainerOptions, Containers } from '../../topology/swarm/ports/containers.ts'
import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import { WatchedProcess } from '../containers/watched-process.ts'
import { ContainerRun } from './container-run.ts'
import type { DockerEngine } from './docker-engine.ts'
import { Images } from './images.ts'
import { Leftovers } from './leftovers.ts'

export interface DockerContainersOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  /** The data directory of this process. A later process with the same one removes the containers that this one leaves behind. */
  readonly dataDirectory: string
  /** The time from the end of the program's input to SIGTERM, in ms. */
  readonly finishMs?: number
  /** The time from SIGTERM to SIGKILL, in ms. */
  readonly termMs?: number
}

/** Runs bees as containers of this machine's Docker. */
export class DockerContainers implements Containers {
  readonly #options: DockerContainersOptions
  readonly #images: Images
  readonly #leftovers: Leftovers

  constructor(options: DockerContainersOptions) {
    this.#options = options
    this.#images = new Images(options)
    this.#leftovers = new Leftovers(options)
  }

  async open(options: ContainerOptions): Promise<OpenProcess> {
    const { engine, clock, finishMs = 10_000, termMs = 5_000 } = this.#options
    const { swarm, bee } = options
    const image = await this.#images.find(options.image, options)
    await this.#leftovers.remove(options)
    const labels = { ...this.#leftovers.labels, 'waggle.swarm': swarm, 'waggle.bee': bee, 'waggle.image': options.image }
    const newName = () => `waggle-${swarm}-${bee}-${randomUUID().slice(0, 8)}`
    const watched = new WatchedProcess(options, {
      clock,
      finishMs,
      termMs,
      title: `The container of ${bee}, image ${options.image},`,
      advice: `Run docker run -it --rm ${options.image} by hand to see why, or correct the spec of ${bee}.`,
      start: (events) => new ContainerRun({ engine, clock, image, options, labels, newName }, events),
    })
    await watched.started
    return watched
  }
}
