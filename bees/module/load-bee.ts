import { pathToFileURL } from 'node:url'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import type { Bee } from '../define-bee.ts'

export interface BeeModule {
  readonly path: string
  /** The name of the export: `default`, or a name that the author chose. */
  readonly export: string
}

/** Loads a module and returns its bee. Throws WAGGLE_INVALID_MODULE if the module cannot be loaded or has no such export. */
export async function loadBee({ path, export: name }: BeeModule): Promise<Bee<unknown, unknown>> {
  const module = await load(path)
  const found = Object.hasOwn(module, name) ? module[name] : undefined
  if (typeof found === 'function') return { process: found as (input: unknown) => unknown }
  if (isBee(found)) return found
  // Node adds these two names to a CommonJS module.
  const added = 'module.exports' in module ? ['module.exports', 'default'] : []
  const exports = Object.keys(module)
    .filter((key) => !added.includes(key))
    .join(', ')
  throw new WaggleError('WAGGLE_INVALID_MODULE', {
    message: `${path} has no export ${name} that is a function or has a process function`,
    next: exports === '' ? 'Export one.' : `It exports: ${exports}.`,
  })
}

function isBee(found: unknown): found is Bee<unknown, unknown> {
  if (found === null || typeof found !== 'object') return false
  const { process, processBatch } = found as { readonly process?: unknown; readonly processBatch?: unknown }
  return typeof process === 'function' || typeof processBatch === 'function'
}

async function load(path: string): Promise<{ readonly [name: string]: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { readonly [name: string]: unknown }
  } catch (thrown) {
    throw new WaggleError('WAGGLE_INVALID_MODULE', {
      message: `${path} cannot be loaded: ${saidBy(thrown).split('\n', 1)[0]}${placeIn(thrown)}`,
      next: isTakenForCommonJs(thrown)
        ? 'Set "type": "module" in the package.json above it: by "commonjs" Node takes it for a module with require.'
        : 'Correct it, or the path in spec.file.',
      cause: thrown,
    })
  }
}

/** True if an export or an import is the mistake. Node knows the syntax of modules, unless a package.json says commonjs. */
function isTakenForCommonJs(thrown: unknown): boolean {
  return thrown instanceof SyntaxError && /^(Unexpected token 'export'|Cannot use import statement outside a module)/.test(thrown.message)
}

/** The first place in the error's stack, in brackets: that of a syntax error, or of the statement that threw. Node's own files are skipped. */
function placeIn(thrown: unknown): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? '') : ''
  const [, file, line] = /(?:file:\/\/|^|\()(\/[^\n():]+):(\d+)/m.exec(stack.replace(saidBy(thrown), '')) ?? []
  return file === undefined ? '' : ` (${file}:${line})`
}
