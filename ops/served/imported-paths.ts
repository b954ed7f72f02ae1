import { dirname, extname, join } from 'node:path'

/**
 * The places at which a source may import files by relative path. Each member is one import: the first of its paths that is a file is the imported
 * file. The text is searched and not parsed, so an import in a comment counts too. `top`: the folder in which Python searches modules first.
 */
export function importedPaths(path: string, text: string, top: string): readonly (readonly string[])[] {
  const extension = extname(path)
  if (scripts.has(extension)) return scriptImports(dirname(path), text)
  return pythons.has(extension) ? pythonImports(dirname(path), text, top) : []
}

/** Imports of JavaScript and TypeScript: `from './x.ts'`, `import './x.ts'`, `import('./x.ts')` and `require('./x')`. */
function scriptImports(folder: string, text: string): readonly (readonly string[])[] {
  return [...text.matchAll(scriptImport)].slice(0, maxImports).map(([, , specifier = '']) => {
    const path = join(folder, specifier.replace(/[?#].*$/, ''))
    return [path, `${path}.js`, `${path}.json`, join(path, 'index.js'), join(path, 'index.json')]
  })
}

/** Imports of Python: `import a.b`, `from a import b` and `from ..a import b`, which may name modules of the same folder. */
function pythonImports(folder: string, text: string, top: string): readonly (readonly string[])[] {
  const imports: string[][] = []
  for (const [, dots = '', from, listed, line, named] of text.matchAll(pythonImport)) {
    if (imports.length >= maxImports) break
    const folders = dots === '' ? [...new Set([folder, top])] : [join(folder, ...Array<string>(dots.length - 1).fill('..'))]
    const modules =
      named === undefined ? [from ?? '', ...namesIn(listed ?? line ?? '').map((name) => (from === '' ? name : `${from}.${name}`))] : namesIn(named)
    for (const module of modules) {
      const words = module.split('.').filter((word) => word !== '')
      // The packages around a module are loaded too.
      for (let count = 1; count <= words.length; count++)
        imports.push(
          folders.flatMap((one) => {
            const path = join(one, ...words.slice(0, count))
            return [`${path}.py`, join(path, '__init__.py')]
          }),
        )
    }
  }
  return imports
}

/** The first word of each part of `a, b as c`. */
function namesIn(list: string): readonly string[] {
  return list.split(',').flatMap((part) => /^\s*([\w.]{1,300})/.exec(part)?.[1] ?? [])
}

const scripts: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs'])
const pythons: ReadonlySet<string> = new Set(['.py', '.ipynb'])
const scriptImport = /\b(?:from|import|require)\s{0,20}\(?\s{0,20}(["'`])(\.{1,2}\/[^"'`\n]{1,300})\1/g
/** In a notebook, each line of code is a text in quotes. */
const pythonImport =
  /^[ \t]*"?(?:from[ \t]{1,20}(\.{0,20})((?:\w[\w.]{0,300})?)[ \t]{1,20}import[ \t]{0,20}(?:\(([^)]{0,2000})\)|([^\n#(]{1,1000}))|import[ \t]{1,20}([\w., \t]{1,1000}))/gm
const maxImports = 1000
