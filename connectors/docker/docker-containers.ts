import { randomUUID } from 'node:crypto'
import type { Clock } from '../../processor/ports.ts'
import type { ContainerOptions, Containers } from '../../topology/swarm/ports/containers.ts'
import type { OpenProcess } from '../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { CallBalances } from '../processes/call-balance.ts'
import { WatchedProcess } from '../processes/watched-process.ts'
import { ContainerRun } from './container-run.ts'
import type { DockerEngine } from './docker-engine.ts'
import type { ImageRegistries } from './image-registries.ts'
import { type FoundImage, Images } from './images.ts'
import { LeftoverContainers } from './leftover-containers.ts'

export interface DockerContainersOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  /** The data directory of this process. A later process with the same data directory removes the containers that this process has left behind. */
  readonly dataDirectory: string
  /** The registries from which images may be pulled. Undefined: all. */
  readonly registries?: ImageRegistries
  /**
   * True: a container that asks for GPUs does not start without them. False: the container runs without them, and a warning is logged. Default:
   * false.
   */
  readonly requireGpu?: boolean
  /** The time from the end of the program's input to SIGTERM, in ms. */
  readonly finishMs?: number
  /** The time from SIGTERM to SIGKILL, in ms. */
  readonly termMs?: number
}

/** Runs bees as containers in the Docker of this machine. */
export class DockerContainers implements Containers {
  readonly #options: DockerContainersOptions
  readonly #images: Images
  readonly #leftovers: LeftoverContainers
  readonly #balances = new CallBalances()
  readonly #found = new Map<string, Promise<FoundImage>>()

  constructor(options: DockerContainersOptions) {
    this.#options = options
    this.#images = new Images(options)
    this.#leftovers = new LeftoverContainers(options)
  }

  async open(options: ContainerOptions): Promise<OpenProcess> {
    const image = await this.#image(options)
    await this.#leftovers.remove(options)
    try {
      return await this.#started(options, image)
    } catch (thrown) {
      if (options.gpu === 0 || !(thrown instanceof WaggleError) || !noGpu.test(thrown.message)) throw thrown
      if (this.#options.requireGpu === true) throw gpuMissing(options, thrown)
      options.log('warn', `Docker has no GPU for ${options.bee} (${thrown.message}); it runs without`)
      return await this.#started({ ...options, gpu: 0 }, image)
    }
  }

  /** The image that the name meant at the first use. Later replicas run the same image, even if the name now means another image. */
  #image(options: ContainerOptions): Promise<FoundImage> {
    const known = this.#found.get(options.image)
    if (known !== undefined) return known
    const found = this.#images.find(options.image, options)
    this.#found.set(options.image, found)
    found.then(
      () => this.#warnOfLimits(options),
      () => this.#found.delete(options.image),
    )
    return found
  }

  async #warnOfLimits({ bee, log }: ContainerOptions): Promise<void> {
    const ignored = await this.#options.engine.ignoredLimits().catch(() => [])
    if (ignored.length > 0) log('warn', `Docker cannot limit ${ignored.join(' and ')} on this machine, so ${bee} may take more than its spec says`)
  }

  async #started(options: ContainerOptions, image: FoundImage): Promise<OpenProcess> {
    const { engine, clock, finishMs = 10_000, termMs = 5_000 } = this.#options
    const { swarm, bee } = options
    const labels = { ...this.#leftovers.labels, 'waggle.swarm': swarm, 'waggle.bee': bee, 'waggle.image': options.image }
    const newName = () => `waggle-${swarm}-${bee}-${randomUUID().slice(0, 8)}`
    const watched = this.#balances.of(options.group).add(
      (onChange) =>
        new WatchedProcess(options, {
          onChange,
          clock,
          finishMs,
          termMs,
          title: `The container of ${bee}, image ${options.image},`,
          advice: `Run docker run -it --rm ${options.image} by hand to see why, or correct the spec of ${bee}.`,
          start: (events) => new ContainerRun({ engine, clock, image, options, labels, newName }, events),
        }),
    )
    await watched.started
    return watched
  }
}

function gpuMissing({ bee, gpu, image }: ContainerOptions, cause: WaggleError): WaggleError {
  return new WaggleError('WAGGLE_GPU_MISSING', {
    message: `${bee} asks for gpu: ${gpu}, and Docker has none for its image ${image}: ${cause.message}`,
    next: 'Install NVIDIA’s container toolkit, or set WAGGLE_GPU=prefer to run the container without a GPU.',
    cause,
  })
}

/** Docker's messages if it has no runtime that gives GPUs to containers, or if that runtime finds no GPU. */
const noGpu = /could not select device driver|nvidia-container-cli|unknown or invalid runtime name: nvidia/
