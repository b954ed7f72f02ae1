import type Docker from 'dockerode'
import type { Clock } from '../../processor/ports.ts'
import { systemClock } from '../system/system-clock.ts'

/**
 * The Docker of this machine, or the Docker that `DOCKER_HOST` names. Nothing is loaded and no connection is made before the first request. All other
 * parts of this folder talk to Docker through this class.
 */
export class DockerEngine {
  readonly #socketPath: string | undefined
  #docker: Promise<Docker> | null = null

  /** `socketPath`: the socket of the daemon. Default: `DOCKER_HOST`, else Docker's usual socket. */
  constructor({ socketPath }: { readonly socketPath?: string } = {}) {
    this.#socketPath = socketPath
  }

  /** The client of Docker. Throws if `DOCKER_HOST` is not an address. */
  get client(): Promise<Docker> {
    this.#docker ??= import('dockerode').then(
      ({ default: Client }) => new Client(this.#socketPath === undefined ? {} : { socketPath: this.#socketPath }),
    )
    return this.#docker
  }

  /**
   * True if a Unix socket of this machine can be mounted into a container. Outside Linux this is false, because Docker runs in a virtual machine
   * there.
   */
  get isLocal(): boolean {
    if (process.platform !== 'linux') return false
    const address = process.env.DOCKER_HOST ?? ''
    return this.#socketPath !== undefined || address === '' || address.startsWith('unix:')
  }

  /** True if this Docker has the image; null if no Docker answers. */
  async hasImage(image: string): Promise<boolean | null> {
    try {
      await within(answerMs, (await this.client).getImage(image).inspect())
      return true
    } catch (thrown) {
      return statusOf(thrown) === 404 ? false : null
    }
  }

  /** The limits that this Docker ignores, because the machine's kernel does not support them. */
  async ignoredLimits(): Promise<readonly string[]> {
    const info = new Map(Object.entries(await (await this.client).info()))
    return [
      ['memory', 'MemoryLimit'],
      ['cpus', 'CpuCfsQuota'],
      ['pids', 'PidsLimit'],
    ].flatMap(([limit = '', key = '']) => (info.get(key) === false ? [limit] : []))
  }

  /** The reason why no Docker answers, as the end of a sentence; null if Docker answers. */
  async absence(): Promise<string | null> {
    try {
      await within(answerMs, (await this.client).ping())
      return null
    } catch (thrown) {
      return absenceOf(thrown, this.#socketPath ?? process.env.DOCKER_HOST ?? '/var/run/docker.sock')
    }
  }
}

/** The reason, as the end of a sentence, why a connection to Docker at `place` failed. */
export function absenceOf(thrown: unknown, place: string): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  if (code === 'ENOENT') return `there is no Docker at ${place}`
  if (code === 'ECONNREFUSED') return `no Docker listens at ${place}`
  if (code === 'EACCES' || code === 'EPERM')
    return `this user may not use the Docker at ${place}: add it to the socket’s group, which often is docker`
  return `the Docker at ${place} does not answer (${dockerSays(thrown)})`
}

/** The HTTP status of Docker's answer; null if no answer came. */
export function statusOf(thrown: unknown): number | null {
  const status = thrown !== null && typeof thrown === 'object' && 'statusCode' in thrown ? thrown.statusCode : null
  return typeof status === 'number' ? status : null
}

/** Docker's own words, on one line, without the words that its client adds. */
export function dockerSays(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  return text
    .replace(/^\(HTTP code \d+\) [^-]*- /, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '')
    .slice(0, maxWords)
}

/** Waits for an answer of Docker. Throws if the answer takes longer than `ms`. */
export async function within<T>(ms: number, answer: Promise<T>, clock: Clock = systemClock): Promise<T> {
  const late = Promise.withResolvers<never>()
  const cancel = clock.after(ms, () => late.reject(new Error(`no answer within ${ms / 1000} s`)))
  try {
    return await Promise.race([answer, late.promise])
  } finally {
    cancel()
  }
}

/** The time limit for Docker's answer to a small question. If the answer takes longer, Docker counts as absent. */
const answerMs = 5_000
/** The time limit for Docker's answer to a question that the start of a bee waits for. */
export const patientMs = 30_000
const maxWords = 500
