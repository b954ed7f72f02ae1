import { delimiter, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { Containers } from '../../topology/swarm/ports/containers.ts'
import type { OpenProcess, Processes, ProcessOptions } from '../../topology/swarm/ports/processes.ts'
import type { PythonBees, PythonOptions, PythonPackageOptions } from '../../topology/swarm/ports/python.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { Guardian } from '../processes/guardian.ts'
import { openInContainer } from './container-python.ts'
import { findInterpreter } from './interpreter.ts'
import { lockedRequirements } from './locked-wheels.ts'
import { pythonVariables as variables } from './python-variables.ts'
import { ReloadedBees } from './reloaded-bee.ts'
import { type AllowedRequirements, requirementsOf } from './requirements.ts'
import { type EnvironmentUse, VirtualEnvironments } from './virtual-environments.ts'

export interface LocalPythonOptions {
  readonly clock: Clock
  readonly processes: Processes
  /** Runs the bees whose spec names an image. */
  readonly containers: Containers
  /** The folder of the virtual environments. */
  readonly directory: string
  /** The folder with the package `waggle`, which each process can import. */
  readonly sdk: string
  readonly allowedRequirements: AllowedRequirements
  /** True in development: after a change of the file, new processes replace the running processes. */
  readonly reload?: boolean
  /** Aborts a running installation. Default: never. */
  readonly signal?: AbortSignal
  /** The folders in which to search for `uv`, as in PATH. Default: PATH of this process. */
  readonly path?: string
}

/** Runs bees from Python files with the SDK's runner. Python is the `python3` of this machine, or of a virtual environment. */
export class LocalPython implements PythonBees {
  readonly #options: LocalPythonOptions
  readonly #environments: VirtualEnvironments
  readonly #reloaded = new ReloadedBees()

  constructor(options: LocalPythonOptions) {
    this.#options = options
    const { clock, path, signal = new AbortController().signal } = options
    // The path is made absolute, because a bee's process has another working folder.
    const directory = resolve(options.directory)
    const guardian = new Guardian({ finishMs: 0, termMs: 0 })
    this.#environments = new VirtualEnvironments({ directory, clock, guardian, signal, ...(path === undefined ? {} : { path }) })
  }

  open(options: PythonOptions): Promise<OpenProcess> {
    const { clock, reload = false } = this.#options
    if (!reload) return this.#open(options)
    const { file, requirements, group, log } = options
    return this.#reloaded.of(group, { file, requirements, clock, log }).open(() => this.#open(options))
  }

  async openPackage({ module, name, wheels, lock, env, ...rest }: PythonPackageOptions): Promise<OpenProcess> {
    const interpreter = await findInterpreter()
    const { python, release } = await this.#environments.use(interpreter, lockedRequirements(lock, wheels), (line) => rest.log('info', line))
    // Python before 3.11 searches the working folder first, so a file beside the lock file would stand for a locked module. The process therefore
    // starts in a folder of the environment, and the runner changes to the folder of the lock file.
    const command = [python, '-m', 'waggle.runner', '--module', '--directory', resolve(dirname(lock)), module, name]
    return this.#started(
      { ...rest, command, cwd: dirname(python), env: { ...variables, ...pathOf(python), ...env, PYTHONPATH: this.#options.sdk } },
      release,
    )
  }

  async #open(options: PythonOptions): Promise<OpenProcess> {
    try {
      const { image } = options
      return await (image === undefined
        ? this.#openHere(options)
        : openInContainer(this.#options.containers, { sdk: this.#options.sdk, image, options }))
    } catch (thrown) {
      throw thrown instanceof WaggleError ? withFullPlace(thrown, options.file) : thrown
    }
  }

  async #openHere({ file, name, requirements, interpreter, env, ...rest }: PythonOptions): Promise<OpenProcess> {
    const { sdk } = this.#options
    const { python, release } =
      interpreter === undefined
        ? await this.#environmentOf(file, requirements, (line) => rest.log('info', line))
        : { python: null, release: async () => {} }
    const started = {
      ...rest,
      command: [...(python === null ? (interpreter ?? []) : [python]), '-m', 'waggle.runner', file, name],
      cwd: dirname(file),
      env: {
        ...variables,
        ...(python === null ? {} : pathOf(python)),
        ...env,
        PYTHONPATH: [sdk, ...(env.PYTHONPATH === undefined ? [] : [env.PYTHONPATH])].join(delimiter),
      },
    }
    return this.#started(started, release)
  }

  /** Starts the processes. `release` releases their environment after the processes have ended. */
  async #started(options: ProcessOptions, release: () => Promise<void>): Promise<OpenProcess> {
    try {
      const open = await this.#options.processes.open(options)
      let released: Promise<void> | null = null
      return {
        get isReady() {
          return open.isReady
        },
        get wantsParts() {
          return open.wantsParts === true
        },
        call: (calls) => open.call(calls),
        close: (next) => open.close(next).finally(() => (released ??= release())),
      }
    } catch (thrown) {
      await release()
      throw thrown
    }
  }

  async #environmentOf(file: string, named: string | null, say: (line: string) => void): Promise<EnvironmentUse> {
    const interpreter = await findInterpreter()
    const requirements = requirementsOf(named, file, this.#options.allowedRequirements)
    if (requirements === null) return { python: interpreter.executable, release: async () => {} }
    return this.#environments.use(interpreter, requirements, say)
  }
}

/** The PATH for a bee's process. Programs of the virtual environment come first. */
function pathOf(python: string): { readonly PATH: string } {
  return { PATH: [dirname(python), process.env.PATH ?? ''].join(delimiter) }
}

/** The error with the full path of the file. The runner names places in files relative to the bee's folder. */
function withFullPlace(error: WaggleError, file: string): WaggleError {
  if (error.place === undefined || isAbsolute(error.place)) return error
  const path = relative('', join(dirname(file), error.place))
  const place = path.startsWith('..') ? join(dirname(file), error.place) : path
  return new WaggleError(error.code, { message: error.message.replaceAll(` (${error.place})`, ''), next: error.next, place, cause: error.cause })
}
