import type { ContainerOptions } from './containers.ts'
import type { OpenProcess, ProcessOptions } from './processes.ts'

/** Runs bees that are written in Python, in processes of their own. */
export interface PythonBees {
  /**
   * Starts the processes of a bee. The environment of its requirements is made first if there is none yet. Resolves when all processes have said
   * hello. Throws WAGGLE_NO_PYTHON, WAGGLE_PYTHON_ENVIRONMENT, WAGGLE_NOT_RESOLVED for an image, or WAGGLE_BEE_NOT_STARTED with the place in the
   * user's file.
   */
  open(options: PythonOptions): Promise<OpenProcess>
  /** Does the same for a bee of a package. Its environment has the locked wheels and nothing else. Throws WAGGLE_NO_PYTHON, WAGGLE_PYTHON_ENVIRONMENT or WAGGLE_BEE_NOT_STARTED. */
  openPackage(options: PythonPackageOptions): Promise<OpenProcess>
}

/** A wheel of a Python package, pinned by its hash. */
export interface LockedWheel {
  readonly name: string
  readonly version: string
  /** The SHA-256 of the wheel, in hexadecimal. */
  readonly sha256: string
  /** The absolute path of the wheel; null for a wheel of the package index. */
  readonly path: string | null
}

export interface PythonPackageOptions extends Pick<ProcessOptions, 'swarm' | 'bee' | 'env' | 'group' | 'log'> {
  /** The module that registers the bee. */
  readonly module: string
  /** The name that the module gives the bee. */
  readonly name: string
  /** The package's own wheel, and those of all packages on which it depends. */
  readonly wheels: readonly LockedWheel[]
  /** The path of the lock file, for messages. */
  readonly lock: string
  readonly workers: number
}

export interface PythonOptions extends Pick<ProcessOptions, 'swarm' | 'bee' | 'env' | 'memoryBytes' | 'group' | 'log'> {
  /** The path of the Python file or notebook. */
  readonly file: string
  /** The name that the file gives the bee. */
  readonly name: string
  /** The path of the requirements, a `requirements.txt` or `pyproject.toml`. Null: the requirements beside the file, if there are any. */
  readonly requirements: string | null
  readonly workers: number
  /**
   * A command that runs instead of `python3`. The packages of this command's own environment are used, and none are installed. Default: `python3` of
   * this machine, in a virtual environment with the packages of `requirements`.
   */
  readonly interpreter?: readonly string[]
  /** The image in which the file runs. Default: the file runs as a process of this machine. */
  readonly image?: PythonImage
}

/** A container image that has Python and the packages of a bee, and the bounds of its containers. */
export type PythonImage = Pick<ContainerOptions, 'image' | 'limits' | 'network' | 'gpu'>
