import { dirname, extname, join } from 'node:path'

/** The files that a source may import by relative path. */
export interface ImportedPaths {
  /** Each member is one import: the first of its paths that is a file is the imported file. */
  readonly imports: readonly (readonly string[])[]
  /** True if the source names more than these imports, because they are bounded. */
  readonly namesMore: boolean
}

/**
 * The places at which a source may import files by relative path: at most `importBounds.imports`. The text is searched and not parsed, so an import in
 * a comment counts too. `top`: the folder in which Python searches modules first.
 */
export function importedPaths(path: string, text: string, top: string): ImportedPaths {
  const extension = extname(path)
  if (scripts.has(extension)) return bounded(scriptImports(dirname(path), text))
  return pythons.has(extension) ? bounded(pythonImports(dirname(path), text, top)) : { imports: [], namesMore: false }
}

/** The bounds of one source. A name of Python, as in `a.b.c`, has words. */
export const importBounds = { imports: 1000, words: 20 } as const

/** Takes imports until the bound is reached; the further ones are never made. `beyond` is a part of the source that is not followed. */
function bounded(found: Iterable<readonly string[] | typeof beyond>): ImportedPaths {
  const imports: (readonly string[])[] = []
  let namesMore = false
  for (const one of found) {
    if (one === beyond) namesMore = true
    else if (imports.length < importBounds.imports) imports.push(one)
    else return { imports, namesMore: true }
  }
  return { imports, namesMore }
}

const beyond = Symbol('beyond the bounds')

/** Imports of JavaScript and TypeScript: `from './x.ts'`, `import './x.ts'`, `import('./x.ts')` and `require('./x')`. */
function* scriptImports(folder: string, text: string): Generator<readonly string[]> {
  for (const [, , specifier = ''] of text.matchAll(scriptImport)) {
    const path = join(folder, specifier.replace(/[?#].*$/, ''))
    yield [path, `${path}.js`, `${path}.json`, join(path, 'index.js'), join(path, 'index.json')]
  }
}

/** Imports of Python: `import a.b`, `from a import b` and `from ..a import b`, which may name modules of the same folder. */
function* pythonImports(folder: string, text: string, top: string): Generator<readonly string[] | typeof beyond> {
  for (const [, dots = '', from, listed, end, line, named] of text.matchAll(pythonImport)) {
    const folders = dots === '' ? [...new Set([folder, top])] : [join(folder, ...Array<string>(dots.length - 1).fill('..'))]
    const modules =
      named === undefined ? [from ?? '', ...namesIn(listed ?? line ?? '').map((name) => (from === '' ? name : `${from}.${name}`))] : namesIn(named)
    if (listed?.length === maxListCharacters && end === '') yield beyond
    for (const module of modules) {
      const words = module.split('.').filter((word) => word !== '')
      if (words.length > importBounds.words) yield beyond
      // The packages around a module are loaded too.
      for (let count = 1; count <= Math.min(words.length, importBounds.words); count++)
        yield folders.flatMap((one) => {
          const path = join(one, ...words.slice(0, count))
          return [`${path}.py`, join(path, '__init__.py')]
        })
    }
  }
}

/** The first word of each part of `a, b as c`. */
function namesIn(list: string): readonly string[] {
  return list.split(',').flatMap((part) => /^\s*([\w.]{1,300})/.exec(part)?.[1] ?? [])
}

const maxListCharacters = 2000
const scripts: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])
const pythons: ReadonlySet<string> = new Set(['.py', '.ipynb'])
const scriptImport = /\b(?:from|import|require)\s{0,20}\(?\s{0,20}(["'`])(\.{1,2}\/[^"'`\n]{1,300})\1/g
/**
 * In a notebook, each line of code is a text in quotes. A list in parentheses is taken without its end too: a search for an end that is missing would
 * read the same characters again for each `(`.
 */
const pythonImport = new RegExp(
  String.raw`^[ \t]*"?(?:from[ \t]{1,20}(\.{0,20})((?:\w[\w.]{0,300})?)[ \t]{1,20}import[ \t]{0,20}(?:\(([^)]{0,${maxListCharacters}})(\)?)|([^\n#(]{1,1000}))|import[ \t]{1,20}([\w., \t]{1,1000}))`,
  'gm',
)
