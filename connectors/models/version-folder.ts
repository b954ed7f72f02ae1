import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../processor/ports.ts'
import type { FoundVersion, ModelOptions, VersionFolder } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The numbered versions of a model on this machine. A folder counts as a version once it contains a model file. A version counts as complete once two
 * checks in a row have found the same files. A version that is still being copied is therefore not used.
 */
export class LocalVersionFolder implements VersionFolder {
  readonly #path: string
  readonly #runtime: ModelOptions['runtime']
  readonly #clock: Clock
  /** The state of the folder at the last check. With `isFinal`, another check of the same state would find nothing new. */
  #seen = { state: '', isFinal: false }
  #found: readonly FoundVersion[] = []

  private constructor(path: string, runtime: ModelOptions['runtime'], clock: Clock) {
    this.#path = path
    this.#runtime = runtime
    this.#clock = clock
  }

  /** Opens the versions at a path. Null if the path is a file, or the folder of a single SavedModel. */
  static async at(path: string, runtime: ModelOptions['runtime'], clock: Clock): Promise<LocalVersionFolder | null> {
    const stats = await stat(path).catch(() => null)
    if (stats === null) {
      throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
        message: `There is no model at ${path}`,
        next: 'Correct the path, or the resolve: map that gives it.',
      })
    }
    if (!stats.isDirectory()) return null
    const names = await readdir(path)
    return runtime === 'tensorflow' && names.includes(savedModelFile) ? null : new LocalVersionFolder(path, runtime, clock)
  }

  async look(): Promise<readonly FoundVersion[]> {
    const state = await this.#state()
    if (state === this.#seen.state && this.#seen.isFinal) return this.#found
    const before = new Map(this.#found.map(({ version, fingerprint }) => [version, fingerprint]))
    const folders = await numberedFolders(this.#path)
    const found: FoundVersion[] = []
    for (const { version, path } of folders) {
      const fingerprint = await fingerprintOf(path, this.#runtime)
      if (fingerprint !== null) found.push({ version, fingerprint, isComplete: before.get(version) === fingerprint })
    }
    // Two changes within one tick of the disk's clock look like one change. So a folder that has just changed is read again at the next check.
    const isFinal = state === this.#seen.state && found.length === folders.length && found.every(({ isComplete }) => isComplete)
    this.#seen = { state, isFinal }
    this.#found = found
    return found
  }

  async lookTwice(): Promise<readonly FoundVersion[]> {
    this.#seen = { state: '', isFinal: false }
    await this.look()
    await new Promise<void>((resolve) => void this.#clock.after(betweenLooksMs, resolve))
    return this.look()
  }

  /**
   * The identity and the change time of the folder. A copy cannot set this time back. The identity is needed because the path may be a link, which
   * can move to another folder.
   */
  async #state(): Promise<string> {
    const { dev, ino, ctimeNs } = await stat(this.#path, { bigint: true })
    return `${dev} ${ino} ${ctimeNs}`
  }
}

/** The folder of one version. Throws WAGGLE_MODEL_NOT_FOUND. */
export async function versionFolder(path: string, version: number): Promise<string> {
  const folders = await numberedFolders(path)
  const found = folders.find((one) => one.version === version)
  if (found !== undefined) return found.path
  const there = folders.length === 0 ? 'no version' : `the versions ${folders.map((one) => one.version).join(', ')}`
  throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message: `${path} has no version ${version}: it has ${there}`,
    next: 'Correct version in the bee’s spec, or remove version to use the highest one.',
  })
}

/** The ONNX file in a version's folder: `model.onnx`, or else the only ONNX file. Throws WAGGLE_MODEL_NOT_FOUND. */
export async function onnxFileIn(folder: string): Promise<string> {
  const name = onnxNameAmong(await readdir(folder))
  if (name !== null) return join(folder, name)
  throw new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
    message: `${folder} has no model.onnx, nor one single .onnx file`,
    next: 'Name a file, or put one file of this name into the folder of the version.',
  })
}

/** The folders whose names are numbers, in ascending order. If names such as `3` and `003` stand for the same number, the shorter name counts. */
async function numberedFolders(path: string): Promise<readonly { readonly version: number; readonly path: string }[]> {
  const names = (await readdir(path)).filter((name) => /^\d{1,15}$/.test(name)).toSorted((a, b) => Number(a) - Number(b) || a.length - b.length)
  const folders = []
  for (const [at, name] of names.entries()) {
    if (at > 0 && Number(names[at - 1]) === Number(name)) continue
    const child = join(path, name)
    if ((await stat(child).catch(() => null))?.isDirectory() === true) folders.push({ version: Number(name), path: child })
  }
  return folders
}

function onnxNameAmong(names: readonly string[]): string | null {
  const files = names.filter((name) => name.endsWith('.onnx') && !name.startsWith('.'))
  return files.includes('model.onnx') ? 'model.onnx' : files.length === 1 ? (files[0] ?? null) : null
}

/** A text with the names, sizes and times of a version's files; null if the version has no model file yet. */
async function fingerprintOf(folder: string, runtime: ModelOptions['runtime']): Promise<string | null> {
  try {
    const names = (await readdir(folder, { recursive: true })).toSorted()
    const top = names.filter((name) => !/[\\/]/.test(name))
    if (runtime === 'tensorflow' ? !top.includes(savedModelFile) : onnxNameAmong(top) === null) return null
    const parts: string[] = []
    for (const name of names.slice(0, maxFingerprintedFiles)) {
      const { size, mtimeNs, ino } = await stat(join(folder, name), { bigint: true })
      parts.push(`${name} ${ino} ${size} ${mtimeNs}`)
    }
    return `${names.length}\n${parts.join('\n')}`
  } catch {
    // A file has disappeared between two calls, because the version is being written or deleted.
    return null
  }
}

const savedModelFile = 'saved_model.pb'
const maxFingerprintedFiles = 1000
const betweenLooksMs = 500
