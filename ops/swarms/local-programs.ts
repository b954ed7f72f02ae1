import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { basename, delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DockerEngine } from '../../connectors/docker/docker-engine.ts'
import { Guardian } from '../../connectors/processes/guardian.ts'
import { checkBeeFile } from '../../connectors/python/bee-file.ts'
import { findInterpreter } from '../../connectors/python/interpreter.ts'
import { requirementsOf } from '../../connectors/python/requirements.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import type { Clock } from '../../processor/ports.ts'
import { moduleFile } from '../../topology/module-file.ts'
import type { ModuleTypes, Programs, PythonFileToCheck, PythonTypes } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ModuleVerdict } from './module-check.ts'
import { reportOf } from './program-report.ts'
import { pythonTypes } from './python-types.ts'

/** Checks programs, modules and Python files of this machine. A file that has not loaded within `loadMs` counts as broken. */
export class LocalPrograms implements Programs {
  readonly #clock: Clock
  readonly #loadMs: number
  readonly #docker: DockerEngine
  /** Ends the processes that load files if this process is killed. */
  readonly #guardian = new Guardian({ finishMs: 0, termMs: 0 })

  constructor({
    clock = systemClock,
    loadMs = 30_000,
    docker = new DockerEngine(),
  }: { readonly clock?: Clock; readonly loadMs?: number; readonly docker?: DockerEngine } = {}) {
    this.#clock = clock
    this.#loadMs = loadMs
    this.#docker = docker
  }

  async checkModule({ path, export: name }: { readonly path: string; readonly export: string }): Promise<ModuleTypes> {
    const program = fileURLToPath(moduleFile(new URL('./module-check.ts', import.meta.url)))
    const { text, status, isLate } = await reportOf([process.execPath, ...process.execArgv, program, path, name], this.#bounds)
    const verdict = verdictOf(text)
    if (verdict?.error === null) return verdict.types
    const why = isLate
      ? `has not loaded within ${this.#loadMs / 1000} s`
      : (untold.get(status ?? -1) ?? `ends its process while it loads (${status ?? 'by a signal'})`)
    throw new WaggleError('WAGGLE_INVALID_MODULE', verdict?.error ?? { message: `${path} ${why}`, next: 'Do less while it loads.' })
  }

  async checkPython({ file, name, requirements, env, runsElsewhere }: PythonFileToCheck): Promise<PythonTypes> {
    const needed = runsElsewhere ? null : requirementsOf(requirements, file, 'anything')
    const interpreter = await findInterpreter().catch((thrown: unknown) => {
      if (runsElsewhere) return null
      throw thrown
    })
    if (interpreter === null) return {}
    await checkBeeFile(interpreter, { file, name })
    if (runsElsewhere) return {}
    const types = await pythonTypes(interpreter, { file, name, env }, this.#bounds)
    // A package that the file imports may be missing on this machine if it is in the bee's requirements, because requirements are installed when the
    // bee starts.
    return types.missing !== undefined && needed !== null ? {} : types
  }

  get #bounds() {
    return { clock: this.#clock, guardian: this.#guardian, limitMs: this.#loadMs }
  }

  hasImage(image: string): Promise<boolean | null> {
    return this.#docker.hasImage(image)
  }

  async checkCommand([program = '', ...argv]: readonly string[], env: { readonly [name: string]: string }): Promise<void> {
    const why = programMistake(program, env.PATH ?? process.env.PATH ?? '') ?? scriptMistake(program, argv)
    if (why === null) return
    throw new WaggleError('WAGGLE_BEE_NOT_STARTED', { message: why, next: 'Correct the command, or install the program.' })
  }
}

/** Explanations for exit statuses of Node with a special meaning. */
const untold: ReadonlyMap<number, string> = new Map([[13, 'waits while it loads for something that never comes']])

function verdictOf(text: string): ModuleVerdict | null {
  try {
    return JSON.parse(text) as ModuleVerdict
  } catch {
    return null
  }
}

/** The reason why a program cannot be run; null if it can. A name is searched in each folder of PATH, as the system does. */
function programMistake(program: string, path: string): string | null {
  if (program.includes('/')) return existsSync(program) ? notExecutable(program) : `there is no program ${resolve(program)}`
  const found = path
    .split(delimiter)
    .map((folder) => join(folder === '' ? '.' : folder, program))
    .filter((file) => existsSync(file))
  if (found.some((file) => notExecutable(file) === null)) return null
  const [first] = found
  return first === undefined ? `there is no program ${program} in the folders of PATH` : notExecutable(first)
}

function notExecutable(file: string): string | null {
  if (!statSync(file).isFile()) return `${resolve(file)} is not a file, so it cannot be run`
  try {
    accessSync(file, constants.X_OK)
    return null
  } catch {
    return `${resolve(file)} may not be executed (chmod +x)`
  }
}

/**
 * The reason why the script of an interpreter cannot be run; null if it can. If the first argument is an option, nothing is checked, because the next
 * word may not be a script.
 */
function scriptMistake(program: string, [script]: readonly string[]): string | null {
  if (!/^(node|bun|python[\d.]*|ruby|perl|sh|bash)$/.test(basename(program))) return null
  if (script === undefined || script.startsWith('-') || existsSync(script)) return null
  return `there is no file ${resolve(script)} for ${basename(program)}`
}
