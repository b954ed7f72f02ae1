import type Docker from 'dockerode'
import type { HealthConfig } from 'dockerode'
import type { Clock } from '../../processor/ports.ts'
import type { ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type DockerEngine, dockerSays, patientMs, statusOf, within } from './docker-engine.ts'
import type { ImageRegistries } from './image-registries.ts'
import { PullProgress } from './pull-progress.ts'

/** An image that this Docker has. */
export interface FoundImage {
  readonly name: string
  readonly id: string
  /** The user whom the image sets, by name or number; '' for root. */
  readonly user: string
  /** True if the image has a health check. */
  readonly isChecked: boolean
  /** The reason why the image cannot run on this machine, as the end of a sentence; null if the image can run. */
  readonly misfit: string | null
}

export interface ImagesOptions {
  readonly engine: DockerEngine
  readonly clock: Clock
  /** The registries from which images may be pulled. Undefined: all. */
  readonly registries?: ImageRegistries
}

/** Finds images in this machine's Docker, and pulls missing ones. Bees that name the same image share one pull. */
export class Images {
  readonly #engine: DockerEngine
  readonly #clock: Clock
  readonly #registries: ImageRegistries | undefined
  readonly #pulls = new Map<string, Promise<void>>()

  constructor({ engine, clock, registries }: ImagesOptions) {
    this.#registries = registries
    this.#engine = engine
    this.#clock = clock
  }

  /**
   * Throws WAGGLE_NOT_RESOLVED if there is no Docker, or if neither Docker nor the registry has the image. Throws WAGGLE_IMAGE_REFUSED for a missing
   * image of a registry that is not allowed.
   */
  async find(name: string, { bee, log }: Pick<ProcessOptions, 'bee' | 'log'>): Promise<FoundImage> {
    const absence = await this.#engine.absence()
    if (absence !== null) throw notResolved(bee, name, `and ${absence}`, 'Start Docker, or')
    const docker = await this.#engine.client
    const refused = (thrown: unknown): never => {
      throw notResolved(bee, name, `about which Docker says: ${dockerSays(thrown)}`, 'See that Docker runs, or')
    }
    if (!(await this.#isHere(docker, name).catch(refused))) {
      this.#registries?.check(name, bee)
      await this.#pullOnce(docker, name, { bee, log })
    }
    return this.#found(docker, name).catch(refused)
  }

  #within<T>(answer: Promise<T>): Promise<T> {
    return within(patientMs, answer, this.#clock)
  }

  async #found(docker: Docker, name: string): Promise<FoundImage> {
    const { Id: id, Config: config, Os: os, Architecture: architecture } = await this.#within(docker.getImage(name).inspect())
    const { Os: ownOs, Arch: own } = await this.#within(docker.version())
    return {
      name,
      id,
      user: config?.User ?? '',
      isChecked: isHealthCheck(config),
      misfit: os === ownOs && architecture === own ? null : `its image is for ${os}/${architecture}, and this Docker runs ${ownOs}/${own}`,
    }
  }

  async #isHere(docker: Docker, name: string): Promise<boolean> {
    try {
      await this.#within(docker.getImage(name).inspect())
      return true
    } catch (thrown) {
      if (statusOf(thrown) === 404 || statusOf(thrown) === 400) return false
      throw thrown
    }
  }

  async #pullOnce(docker: Docker, name: string, { bee, log }: Pick<ProcessOptions, 'bee' | 'log'>): Promise<void> {
    const pull = this.#pulls.get(name) ?? this.#pull(docker, name, log).finally(() => this.#pulls.delete(name))
    this.#pulls.set(name, pull)
    try {
      await pull
    } catch (thrown) {
      throw notResolved(
        bee,
        name,
        `which is not on this machine and cannot be pulled: ${dockerSays(thrown)}`,
        `Correct the name, build it, or run docker pull ${name} by hand; or`,
      )
    }
  }

  async #pull(docker: Docker, name: string, log: ProcessOptions['log']): Promise<void> {
    log('info', `${name} is not on this machine: pulling it`)
    const progress = new PullProgress(name, this.#clock, (line) => log('info', line))
    // Without a tag, Docker would pull every tag of the image.
    const stream = await within(silentMs, docker.pull(isTagged(name) ? name : `${name}:latest`), this.#clock)
    let cancel = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        // The pull of a large image may take hours. Docker reports progress on each layer, so the time limit starts again at each report.
        const waitOn = () => {
          cancel()
          cancel = this.#clock.after(silentMs, () => reject(new Error(`the pull has gone no further for ${silentMs / 1000} s`)))
        }
        waitOn()
        docker.modem.followProgress(
          stream,
          (error: Error | null) => (error === null ? resolve() : reject(error)),
          (event: { readonly error?: unknown }) => {
            // Docker answers with status 200 before the pull fails, so Docker's client takes a broken pull for a finished pull. Only the event
            // reports the error.
            if (typeof event.error === 'string') reject(new Error(event.error))
            progress.add(event)
            waitOn()
          },
        )
      })
    } finally {
      cancel()
      // Docker aborts a pull whose client has disconnected.
      if ('destroy' in stream && typeof stream.destroy === 'function') stream.destroy()
    }
    log('info', `${name} is pulled`)
  }
}

function notResolved(bee: string, image: string, why: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_NOT_RESOLVED', {
    message: `${bee} names the image ${image}, ${why}`,
    next: `${next} map the image to a command of this machine, in waggle.yaml beside the swarm: resolve: {"${image}": [program, argument]}.`,
  })
}

/** The longest time for which Docker may report nothing during a pull. */
const silentMs = 300_000

/** A colon after the last slash begins a tag, and @ begins a digest. An earlier colon belongs to the registry's port. */
function isTagged(name: string): boolean {
  return name.includes('@') || name.slice(name.lastIndexOf('/') + 1).includes(':')
}

/** False for a check of `NONE`, which switches off the health check that the image inherits from its base image. */
function isHealthCheck(config: { readonly Healthcheck?: HealthConfig | undefined } | undefined): boolean {
  const [kind = 'NONE'] = config?.Healthcheck?.Test ?? []
  return kind !== 'NONE'
}
