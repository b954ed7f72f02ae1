import { existsSync, fstatSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path'
import { parse } from 'yaml'

/**
 * The files in the folder of a swarm that the swarm may read. These are sources, as nodemon has them, and whatever the swarm file or `waggle.yaml` names,
 * with all files below a named folder and those beside a named file that begin with its name (`model.labels.txt` beside `model.onnx`). The output of
 * this process, data directories, logs, caches and the copies of editors are none of them. A file with the name of a source counts even if a program
 * writes it, such as `results.json`: a module may read any such file, and nothing tells which one.
 */
export class ReadFiles {
  readonly #root: string
  readonly #files: readonly string[]
  readonly #dataDirectory: string
  readonly #outputs: readonly FileId[]
  #named: ReadonlySet<string> = new Set()

  /** `files`: the files whose texts name others, the swarm file first. `descriptors`: the outputs of this process, by default standard output and standard error. */
  constructor(
    files: readonly string[],
    { dataDirectory, descriptors = [1, 2] }: { readonly dataDirectory: string; readonly descriptors?: readonly number[] },
  ) {
    this.#files = files.map((file) => resolve(file))
    this.#root = dirname(this.#files[0] ?? resolve('.'))
    this.#dataDirectory = dataDirectory
    this.#outputs = descriptors.flatMap((descriptor) => idOf(() => fstatSync(descriptor)))
    this.renew()
  }

  /** Reads the texts again for the names of files. A text with a mistake keeps the names that it had before. */
  renew(): void {
    const named = new Set<string>()
    for (const file of this.#files) {
      try {
        for (const text of textsIn(parse(readFileSync(file, 'utf8')))) {
          const path = resolve(dirname(file), text)
          // The name of the folder itself would stand for every file in it.
          if (text.length < maxPathLength && path !== this.#root && !this.#root.startsWith(path + sep)) named.add(path)
        }
      } catch {
        if (existsSync(file)) return
      }
    }
    this.#named = named
  }

  /** True for a file that the swarm may read. */
  has(path: string): boolean {
    const parts = relative(this.#root, path).split(sep)
    if (parts.some((part) => unread.test(part)) || path === this.#dataDirectory || path.startsWith(this.#dataDirectory + sep)) return false
    if (!this.#files.includes(path) && !sources.has(extname(path)) && !otherSources.test(basename(path)) && !this.#isNamed(path)) return false
    return !this.#isOutput(path) && !this.#isInDataDirectory(parts)
  }

  #isNamed(path: string): boolean {
    for (const named of this.#named) {
      if (path === named || path.startsWith(named + sep)) return true
      const stem = named.slice(0, named.length - extname(named).length)
      if (dirname(path) === dirname(named) && path.startsWith(`${stem}.`)) return true
    }
    return false
  }

  /** True for the file that this process writes to, as in `waggle dev > out.json`. */
  #isOutput(path: string): boolean {
    const [own] = idOf(() => statSync(path))
    return own !== undefined && this.#outputs.some(({ dev, ino }) => dev === own.dev && ino === own.ino)
  }

  /** True below the data directory of any process. */
  #isInDataDirectory(parts: readonly string[]): boolean {
    return parts.some((_, count) => count > 0 && existsSync(join(this.#root, ...parts.slice(0, count), 'FORMAT')))
  }
}

interface FileId {
  readonly dev: number
  readonly ino: number
}

/** The identity of a regular file; nothing for a terminal, a pipe, or a file that is gone. */
function idOf(look: () => ReturnType<typeof statSync>): readonly FileId[] {
  try {
    const found = look()
    return found?.isFile() === true ? [{ dev: Number(found.dev), ino: Number(found.ino) }] : []
  } catch {
    return []
  }
}

/** All texts in a parsed document, each word of a command too. */
function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* textsIn(one)
}

const sources: ReadonlySet<string> = new Set(
  ['.yaml', '.yml', '.json', '.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.py', '.toml', '.sql', '.wasm', '.proto', '.avsc'].flatMap((name) => [
    name,
    name.toUpperCase(),
  ]),
)
const otherSources = /^(?:\.env(?:\..+)?|requirements.*\.txt|.*\.labels\.txt)$/

/** Folders that no swarm reads from, and the copies and locks of editors: `.swp`, `4913`, `~`, `.#name`, `#name#`. */
const unread = /^(?:node_modules|\.git|\.waggle|__pycache__|\.venv|\.mypy_cache|\.pytest_cache|4913|\.#.*|#.*#|.*~|.*\.sw[a-z])$/
const maxPathLength = 4096
