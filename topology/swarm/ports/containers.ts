import type { OpenProcess, ProcessOptions } from './processes.ts'

/** Runs bees as containers of this machine's Docker, which speak bees/PROTOCOL.md. */
export interface Containers {
  /**
   * Starts a container. The image is pulled if this machine does not have it. Resolves when the program in the container has said hello and the
   * health check of the image, if any, has passed. Throws WAGGLE_NOT_RESOLVED without a Docker or an image, and WAGGLE_BEE_NOT_STARTED if the
   * container ends before it is ready.
   */
  open(options: ContainerOptions): Promise<OpenProcess>
}

export interface ContainerOptions extends Omit<ProcessOptions, 'command' | 'memoryBytes'> {
  readonly image: string
  /** The arguments of the image's entry point; null for the image's own. */
  readonly command: readonly string[] | null
  /** The program that replaces the image's entry point. Default: the image's own entry point. */
  readonly entrypoint?: readonly string[]
  /** Folders of this machine that the program sees at another place. The program cannot write to them. */
  readonly folders?: readonly { readonly source: string; readonly target: string }[]
  readonly limits: ContainerLimits
  /** The Docker network that the container joins; null if it joins none. */
  readonly network: string | null
  /** The number of GPUs of the container. */
  readonly gpu: number
}

/** The limits of one container. */
export interface ContainerLimits {
  readonly memoryBytes: number
  /** The number of cores. The number may have a fraction: 0.5 is half a core. */
  readonly cpus: number
  /** The most processes and threads together. */
  readonly pids: number
}
