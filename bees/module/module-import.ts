import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { userPlaceOf } from '../../topology/user-place.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { ModuleGeneration, withoutGeneration } from './module-generation.ts'

/**
 * Imports a user's module. Throws WAGGLE_INVALID_MODULE with the file and line of the mistake, which may be in an imported module. `limitMs` is the
 * time limit for loading, in ms. Without `limitMs` there is no time limit.
 */
export async function importModule(path: string, limitMs?: number): Promise<{ readonly [name: string]: unknown }> {
  generation.look()
  followLaterImports()
  const trace = new ImportTrace()
  const exiting = (code: number) => {
    if (code !== unsettledAwait) endedByModule(path)
  }
  process.once('exit', exiting)
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    if (limitMs === undefined) return
    timer = setTimeout(() => reject(notLoaded(path, limitMs)), limitMs)
  })
  try {
    return (await Promise.race([import(generation.urlOf(pathToFileURL(path).href)), tooLate])) as { readonly [name: string]: unknown }
  } catch (thrown) {
    if (thrown instanceof WaggleError && thrown.code === 'WAGGLE_INVALID_MODULE') throw thrown
    const place = userPlaceOf(thrown) ?? trace.lineAtFault(thrown)
    const said = saidBy(thrown).split('\n', 1)[0] ?? ''
    throw new WaggleError('WAGGLE_INVALID_MODULE', {
      message: `${path} cannot be loaded: ${said}${place === null ? '' : ` (${place})`}`,
      next: adviceFor(thrown, said),
      cause: thrown,
    })
  } finally {
    clearTimeout(timer)
    trace.end()
    process.removeListener('exit', exiting)
  }
}

/** The process has one generation, because Node has one cache of modules for the process. */
const generation = new ModuleGeneration()

/** Follows what the functions of loaded modules import, for as long as the process runs. `ImportTrace` ends when a module is loaded. */
function followLaterImports(): void {
  if (isFollowing) return
  isFollowing = true
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context)
      return { ...found, url: generation.urlOfLater(found.url, context.parentURL) }
    },
  })
}

let isFollowing = false

/** The exit status of Node if a top-level await never settles. Node itself prints the reason. */
const unsettledAwait = 13

/**
 * Reports a module that calls `process.exit`, which ends the whole process. Without this line and the exit status 1, Waggle would seem to have
 * stopped normally.
 */
function endedByModule(path: string): void {
  process.exitCode = 1
  process.stderr.write(`waggle: ${path} ends the process while it loads. Do not call process.exit in a module.\n`)
}

function notLoaded(path: string, limitMs: number): WaggleError {
  return new WaggleError('WAGGLE_INVALID_MODULE', {
    message: `${path} has not loaded within ${limitMs / 1000} s`,
    next: 'Let the module do less while it loads, and see that each top-level await ends.',
  })
}

/**
 * Records which files are imported, and by which file. Node's error for a missing file has no line, and Node's error for a mistake in the syntax has
 * no file and no line.
 */
class ImportTrace {
  readonly #hooks: { deregister(): void }
  readonly #asked = new WeakMap<object, { readonly specifier: string; readonly parent: string | undefined }>()
  readonly #importers = new Map<string, { readonly specifier: string; readonly parent: string | undefined }>()
  readonly #loaded: string[] = []

  constructor() {
    this.#hooks = registerHooks({
      resolve: (specifier, context, next) => {
        const asked = { specifier, parent: context.parentURL }
        const found = this.#noting(asked, () => next(specifier, context))
        const url = generation.urlOf(found.url)
        this.#importers.set(url, asked)
        return { ...found, url }
      },
      load: (url, context, next) => {
        generation.loaded(url)
        this.#loaded.push(withoutGeneration(url))
        return this.#noting(this.#importers.get(url), () => next(url, context))
      },
    })
  }

  end(): void {
    this.#hooks.deregister()
  }

  /** The `file:line` of the import that failed, or of the syntax error; null if it cannot be found. */
  lineAtFault(thrown: unknown): string | null {
    if (thrown === null || typeof thrown !== 'object') return null
    const asked = this.#asked.get(thrown)
    if (asked?.parent?.startsWith('file:') === true && asked.parent !== import.meta.url) return lineOf(fileURLToPath(asked.parent), asked.specifier)
    if (!(thrown instanceof SyntaxError)) return null
    const files = this.#loaded.filter((url) => /^file:.*\.m?js$/.test(url)).map((url) => fileURLToPath(url))
    for (const file of files.reverse().slice(0, maxChecked)) {
      const place = syntaxErrorIn(file)
      if (place !== null) return place
    }
    return null
  }

  #noting<T>(asked: { readonly specifier: string; readonly parent: string | undefined } | undefined, work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (asked !== undefined && thrown !== null && typeof thrown === 'object' && !this.#asked.has(thrown)) this.#asked.set(thrown, asked)
      throw thrown
    }
  }
}

/** The first line of a file that contains this specifier in quotes. */
function lineOf(file: string, specifier: string): string | null {
  try {
    const source = readFileSync(file, 'utf8')
    const at = ["'", '"', '`'].map((quote) => source.indexOf(quote + specifier + quote)).filter((found) => found >= 0)
    return at.length === 0 ? file : `${file}:${source.slice(0, Math.min(...at)).split('\n').length}`
  } catch {
    return null
  }
}

/**
 * The line of the syntax error in a JavaScript file; null if there is no such error. Node prints the line, but the error object does not contain it.
 */
function syntaxErrorIn(file: string): string | null {
  try {
    execFileSync(process.execPath, ['--check', file], { stdio: ['ignore', 'ignore', 'pipe'], timeout: checkMs })
    return null
  } catch (thrown) {
    const { stderr } = thrown as { readonly stderr?: Buffer }
    const first = stderr?.toString().split('\n', 1)[0] ?? ''
    return first.startsWith(`${file}:`) || first.startsWith(`${pathToFileURL(file).href}:`) ? `${file}:${/(\d+)$/.exec(first)?.[1] ?? ''}` : null
  }
}

/** The next step for an error of Node, because Node describes the mistake but seldom the correction. */
function adviceFor(thrown: unknown, said: string): string {
  return (
    advice.find(({ when }) => when.test(said))?.next ??
    (hasCode(thrown, 'ERR_MODULE_NOT_FOUND') ? missing(said) : 'Correct the module, or its path in spec.file.')
  )
}

function missing(said: string): string {
  const [, name] = /^Cannot find package '([^']+)'/.exec(said) ?? []
  if (name !== undefined) return `Install the package: npm install ${name}, in the folder of the package.json above the module.`
  return 'Correct the path of the import, with the extension of the file, such as ./helper.ts.'
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === code
}

const advice: readonly { readonly when: RegExp; readonly next: string }[] = [
  {
    when: /^(Unexpected token 'export'|Cannot use import statement outside a module)/,
    next: 'Set "type": "module" in the package.json above it: by "commonjs" Node takes it for a module with require.',
  },
  { when: /^require is not defined in ES module/, next: 'Write import in place of require, or name the file .cjs.' },
  {
    when: /^(module|exports|__dirname|__filename) is not defined in ES module/,
    next: 'Write export default in place of module.exports, or name the file .cjs.',
  },
  { when: /^await is only valid /, next: 'Name the file .mjs or .ts: a module with require has no top-level await.' },
  { when: /strip-only mode/, next: 'Node only removes types: write it in JavaScript, without enum, namespace and parameter properties.' },
  { when: /does not provide an export named/, next: 'Correct the name, or write import type if it is a type.' },
  { when: /needs an import attribute of "type: json"/, next: "Write with { type: 'json' } behind the import." },
  {
    when: /^Unknown file extension/,
    next: 'A module is TypeScript or JavaScript (.ts, .mts, .js, .mjs or .cjs). A program in another language runs as a bee of type container.',
  },
]

const maxChecked = 20
const checkMs = 5_000
