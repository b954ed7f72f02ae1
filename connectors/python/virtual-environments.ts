import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { CacheLock } from '../objects/cache-lock.ts'
import { CacheUsers } from '../objects/cache-users.ts'
import type { Guardian } from '../processes/guardian.ts'
import type { Interpreter } from './interpreter.ts'
import { constraintsName, listName, pythonTools } from './python-tools.ts'
import type { Requirements } from './requirements.ts'
import { runTool } from './tool-run.ts'

export interface EnvironmentsOptions {
  /** The folder of all virtual environments. */
  readonly directory: string
  readonly clock: Clock
  readonly guardian: Guardian
  /** Aborts a running installation. */
  readonly signal: AbortSignal
  /** The folders in which to search for `uv`, as in PATH. Default: PATH of this process. */
  readonly path?: string
}

/** A virtual environment that this process uses. */
export interface EnvironmentUse {
  readonly python: string
  release(): Promise<void>
}

/**
 * Virtual environments of Python. An environment is made once for its requirements and its Python, and is kept for later processes:
 *
 *     <key>.lock    the lock of the process that is making the environment
 *     <key>.json    the name of the environment's folder, written when the environment is complete, so that no incomplete one is used
 *     <key>-<id>/   the environment, in a new folder for each attempt
 *     users/        for each process, the environments that it uses
 */
export class VirtualEnvironments {
  readonly #options: EnvironmentsOptions
  /** The processes that use environments; null while this process uses no environment. */
  #users: CacheUsers | null = null
  #uses = 0
  /** Environments that this process is making now, by key. */
  readonly #making = new Map<string, Promise<string>>()

  constructor(options: EnvironmentsOptions) {
    this.#options = options
  }

  /**
   * Returns the environment with these requirements. The environment stays until it is released. A missing environment is made, and `say` gets the
   * progress. Throws WAGGLE_PYTHON_ENVIRONMENT with the last lines of the installer.
   */
  async use(interpreter: Interpreter, requirements: Requirements, say: (line: string) => void): Promise<EnvironmentUse> {
    const { directory, clock } = this.#options
    this.#users ??= new CacheUsers(directory, clock)
    this.#uses++
    const users = this.#users
    const key = keyOf(interpreter, requirements)
    const release = async () => {
      users.release(key)
      if (--this.#uses > 0) return
      this.#users = null
      await users.close()
    }
    try {
      await mkdir(directory, { recursive: true })
      await users.open()
      await users.use(key)
      const making = this.#making.get(key) ?? this.#pythonOf(key, users, interpreter, requirements, say).finally(() => this.#making.delete(key))
      this.#making.set(key, making)
      return { python: await making, release }
    } catch (error) {
      await release()
      if (!this.#options.signal.aborted) throw error
      throw new WaggleError('WAGGLE_STOPPING', { message: 'The process stops while it makes a Python environment', next: 'Start the process again.' })
    }
  }

  async #pythonOf(
    key: string,
    users: CacheUsers,
    interpreter: Interpreter,
    requirements: Requirements,
    say: (line: string) => void,
  ): Promise<string> {
    const { directory, clock, signal } = this.#options
    const found = await this.#found(key)
    if (found !== null) return found
    const onWait = () => say(`waiting for another process, which makes the Python environment of ${shown(requirements)}`)
    for (;;) {
      const lock = await CacheLock.acquire({ file: join(directory, `${key}.lock`), users, clock }, signal, onWait)
      try {
        const python = (await this.#found(key)) ?? (await this.#make(key, lock, users, interpreter, requirements, say))
        if (python !== null) return python
      } finally {
        await lock.release()
      }
    }
  }

  async #found(key: string): Promise<string | null> {
    const pointer = join(this.#options.directory, `${key}.json`)
    const folder = folderIn(pointer)
    if (folder === null) return null
    const python = pythonIn(join(this.#options.directory, folder))
    // The environment's Python is a link to the Python that made the environment. That Python may be gone.
    if (!existsSync(python)) return null
    const now = new Date()
    await utimes(pointer, now, now).catch(() => {})
    return python
  }

  /** Makes the environment. Null if another process has taken over the lock, because this process seemed dead. */
  async #make(
    key: string,
    lock: CacheLock,
    users: CacheUsers,
    interpreter: Interpreter,
    requirements: Requirements,
    say: (line: string) => void,
  ): Promise<string | null> {
    const { directory, clock, signal, path = process.env.PATH ?? '' } = this.#options
    await this.#removeOld(key, lock, users)
    const folder = `${key}-${randomBytes(4).toString('hex')}`
    const place = join(directory, folder)
    const began = clock.elapsedMs()
    const tools = pythonTools(path)
    say(`making a Python ${interpreter.version} environment of ${shown(requirements)} with ${tools.name}, once`)
    let saidAt = began
    const onLine = (line: string) => {
      if (clock.elapsedMs() - saidAt < progressMs) return
      saidAt = clock.elapsedMs()
      say(line.trim())
    }
    try {
      await this.#run(tools.make(interpreter.executable, place), requirements, onLine)
      if (requirements.kind === 'locked' || requirements.kind === 'checked') await writeFile(join(place, listName), requirements.lines)
      if (requirements.kind === 'checked') await writeFile(join(place, constraintsName), requirements.constraints)
      const commands = requirements.kind === 'locked' && requirements.lines === '' ? [] : tools.install(pythonIn(place), requirements, place)
      for (const command of commands) await this.#run(command, requirements, onLine)
      if (!(await lock.isHeld())) {
        await rm(place, { recursive: true, force: true })
        return null
      }
      const next = `${place}.next`
      await writeFile(next, JSON.stringify({ folder, python: interpreter.version, requirements: requirements.file }))
      await rename(next, join(directory, `${key}.json`))
    } catch (error) {
      await rm(place, { recursive: true, force: true })
      // The process that has taken over the lock may have deleted the folder, and makes the environment in a folder of its own.
      if (!signal.aborted && !(await lock.isHeld())) return null
      throw error
    }
    say(`made the environment in ${((clock.elapsedMs() - began) / 1000).toFixed(1)} s`)
    return pythonIn(place)
  }

  async #run([program = '', ...argv]: readonly string[], requirements: Requirements, onLine: (line: string) => void): Promise<void> {
    const { directory, guardian, signal } = this.#options
    // A path in a user's file is relative to the file. Lists of packages and locked wheels have no such paths, and Python takes modules from the
    // working folder of `-m`, so nothing beside their files may stand for a module of pip.
    const hasPaths = requirements.kind === 'requirements' || requirements.kind === 'pyproject'
    const cwd = hasPaths ? dirname(requirements.file) : directory
    const { failure, lastLines } = await runTool(program, argv, { cwd, guardian, signal, onLine })
    if (failure === null) return
    // An argument of several lines is a script, which is not shown.
    const shownArguments = argv.slice(0, 3).filter((argument) => !argument.includes('\n'))
    const said = lastLines.length === 0 ? '' : `:\n${lastLines.map((line) => `  ${line}`).join('\n')}`
    throw new WaggleError('WAGGLE_PYTHON_ENVIRONMENT', {
      message: `The environment of ${requirements.file} cannot be made: ${basename(program)} ${shownArguments.join(' ')} … ${failure}${said}`,
      next: nextStep(requirements, lastLines),
    })
  }

  /**
   * Deletes folders of this environment that an interrupted process has left behind. Also deletes environments that no process has used for a month.
   */
  async #removeOld(key: string, lock: CacheLock, users: CacheUsers): Promise<void> {
    const { directory } = this.#options
    const names = await readdir(directory)
    for (const name of names) {
      if (!name.startsWith(`${key}-`)) continue
      const { mtimeMs } = await stat(join(directory, name)).catch(() => ({ mtimeMs: 0 }))
      // A newer folder belongs to a process that has taken over the lock.
      if (mtimeMs <= lock.sinceMs) await rm(join(directory, name), { recursive: true, force: true })
    }
    const inUse = await users.entriesInUse()
    for (const name of names) {
      const other = /^([0-9a-f]+)\.json$/.exec(name)?.[1]
      if (other === undefined || inUse.has(other)) continue
      const { mtimeMs } = await stat(join(directory, name)).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
      if (Date.now() - mtimeMs < unusedMs) continue
      await rm(join(directory, name), { force: true })
      for (const folder of names) if (folder.startsWith(`${other}-`)) await rm(join(directory, folder), { recursive: true, force: true })
    }
  }
}

function nextStep({ file, kind }: Requirements, lastLines: readonly string[]): string {
  if (kind !== 'locked') return 'Correct the requirements, or see that the package index can be reached.'
  if (lastLines.some((line) => /hash/i.test(line) && /match/i.test(line)))
    return `A file is not the one of ${basename(file)}: someone has changed it, or the package was added on another platform. Find out who. To take this file, run waggle bees remove and then waggle bees add.`
  return `See that the package index can be reached. ${basename(file)} is for the Python and the platform on which the package was added: elsewhere run waggle bees remove and then waggle bees add.`
}

function keyOf({ executable, version }: Interpreter, { kind, hash }: Requirements): string {
  return createHash('sha256').update([executable, version, kind, hash].join('\n')).digest('hex').slice(0, 16)
}

function folderIn(pointer: string): string | null {
  try {
    const { folder }: { readonly folder?: unknown } = JSON.parse(readFileSync(pointer, 'utf8'))
    return typeof folder === 'string' && /^[0-9a-f]+-[0-9a-f]+$/.test(folder) ? folder : null
  } catch {
    return null
  }
}

function pythonIn(environment: string): string {
  return join(environment, 'bin', 'python')
}

function shown({ file }: Requirements): string {
  const near = relative('', file)
  return near.startsWith('..') ? file : near
}

const progressMs = 2_000
const unusedMs = 30 * 24 * 3600 * 1000
