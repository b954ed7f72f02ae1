import { dirname, relative, resolve, sep } from 'node:path'
import type { ChangedFile } from '../../topology/swarm/swarm-management.ts'
import type { ConfiguredSwarm } from '../beekeeper/running-swarm.ts'
import { importedPaths } from './imported-paths.ts'
import { maxFileBytes, ProjectFiles } from './project-files.ts'

/** The hashes of files, by their paths relative to the swarm's directory. */
export type FileHashes = { readonly [path: string]: string }

/** The files of code that a swarm runs, as they are now. */
export interface CodeFiles {
  readonly hashes: FileHashes
  /** The bees that run each file, by the path of the file, which may be missing. */
  readonly bees: ReadonlyMap<string, readonly string[]>
  /** The files whose edits go unnoticed, each as a sentence without its full stop. */
  readonly remarks: readonly string[]
}

/**
 * Reads the files of code that the specs of a swarm name, and the files that these import by relative path. Files of installed packages, of Waggle,
 * outside of the server's directory and behind the `resolve:` map are left out. So are models, which have versions of their own.
 */
export async function readCodeFiles({
  swarm,
  config,
  directory = dirname(swarm.document.file),
  within = directory,
}: Pick<ConfiguredSwarm, 'swarm' | 'config' | 'directory' | 'within'>): Promise<CodeFiles> {
  const reading = new CodeReading(directory, within)
  for (const { name, type, spec } of swarm.bees) {
    const named = (type.codeFiles?.(spec) ?? []).filter((file) => !config.resolve.has(file))
    for (const file of named) await reading.walk(name, resolve(directory, file))
  }
  return reading.result
}

/** The files that are not as they were. A file that is no longer imported is left out, because the file that imported it has changed too. */
export function changedFiles(before: FileHashes, { hashes, bees }: CodeFiles): readonly ChangedFile[] {
  return [...bees].filter(([file]) => ownHash(before, file) !== ownHash(hashes, file)).map(([file, names]) => ({ file, bees: names }))
}

function ownHash(hashes: FileHashes, file: string): string | null {
  return Object.hasOwn(hashes, file) ? (hashes[file] ?? null) : null
}

/** The bounds of what is read. Beyond them a file is not compared. */
export const codeBounds = { files: 500, bytes: 32 * 1024 * 1024, imports: 5000, depth: 50, pathCharacters: 250 } as const

interface CodeFile {
  readonly hash: string
  readonly imports: readonly (readonly string[])[]
}

/** One reading of a swarm's files. */
class CodeReading {
  readonly #directory: string
  readonly #project: ProjectFiles
  readonly #files = new Map<string, Promise<CodeFile | null>>()
  readonly #hashes = new Map<string, string>()
  readonly #bees = new Map<string, string[]>()
  readonly #remarks = new Set<string>()
  #count = 0
  #bytes = 0
  #imports = 0

  constructor(directory: string, within: string) {
    this.#directory = directory
    this.#project = new ProjectFiles(within)
  }

  get result(): CodeFiles {
    return { hashes: Object.fromEntries(this.#hashes), bees: this.#bees, remarks: [...this.#remarks] }
  }

  /** Reads a file that a bee names, and follows its imports. */
  async walk(bee: string, file: string): Promise<void> {
    const top = dirname(file)
    this.#belongs(file, bee)
    const seen = new Set([file])
    let level = [file]
    for (let depth = 0; level.length > 0; depth++) {
      if (depth > codeBounds.depth) {
        this.#remarks.add(`an edit of a file behind more than ${codeBounds.depth} imports in a row goes unnoticed`)
        return
      }
      const next: string[] = []
      for (const path of level) {
        const found = await this.#read(path, top)
        if (found === null) continue
        this.#hashes.set(this.#shown(path), found.hash)
        this.#belongs(path, bee)
        for (const places of found.imports) {
          const imported = await this.#firstOf(places, top)
          if (imported === null || seen.has(imported)) continue
          seen.add(imported)
          next.push(imported)
        }
      }
      level = next
    }
  }

  async #firstOf(paths: readonly string[], top: string): Promise<string | null> {
    if (++this.#imports > codeBounds.imports) {
      this.#remarks.add(`the swarm has more than ${codeBounds.imports} imports, so an edit of the files behind the others goes unnoticed`)
      return null
    }
    for (const path of paths) if ((await this.#read(path, top)) !== null) return path
    return null
  }

  /** `top` decides which files a Python file imports. */
  #read(path: string, top: string): Promise<CodeFile | null> {
    const key = `${top}\n${path}`
    const known = this.#files.get(key) ?? this.#readNow(path, top)
    this.#files.set(key, known)
    return known
  }

  /** Null for a path that is no file of the project, or that is beyond a bound. */
  async #readNow(path: string, top: string): Promise<CodeFile | null> {
    const shown = this.#shown(path)
    if (shown.length > codeBounds.pathCharacters) {
      this.#remarks.add(`an edit of a file whose path has more than ${codeBounds.pathCharacters} characters goes unnoticed`)
      return null
    }
    if (this.#count >= codeBounds.files || this.#bytes >= codeBounds.bytes) {
      this.#remarks.add(
        `the swarm has more than ${codeBounds.files} files of code, or more than ${codeBounds.bytes} bytes, so an edit of the others goes unnoticed`,
      )
      return null
    }
    const file = await this.#project.read(path)
    if (file === null) return null
    if ('bytes' in file) {
      this.#remarks.add(`${shown} has more than ${maxFileBytes} bytes, so an edit of it goes unnoticed`)
      return null
    }
    this.#count++
    this.#bytes += file.text.length
    const { imports, namesMore } = importedPaths(path, file.text, top)
    if (namesMore) this.#remarks.add(`${shown} names more imports than are followed, so an edit of the files behind the others goes unnoticed`)
    return { hash: file.hash, imports }
  }

  #belongs(path: string, bee: string): void {
    const shown = this.#shown(path)
    const bees = this.#bees.get(shown) ?? []
    if (!bees.includes(bee)) bees.push(bee)
    this.#bees.set(shown, bees)
  }

  #shown(path: string): string {
    return relative(this.#directory, path).split(sep).join('/')
  }
}
