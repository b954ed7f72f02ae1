import { didYouMean } from '../../topology/swarm/check/nearest-name.ts'
import { payloadTypeMistake } from '../../topology/swarm/check/payload-type-mistake.ts'
import type { ModuleTypes } from '../../topology/swarm/ports/programs.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee } from '../define-bee.ts'
import { importModule } from './module-import.ts'

export interface BeeModule {
  readonly path: string
  /** The name of the export: `default`, or a name that the author chose. */
  readonly export: string
}

/** The longest time for loading a module, in ms. */
export const loadMs = 30_000

/**
 * Loads a module and returns its bee. Throws WAGGLE_INVALID_MODULE if the module cannot be loaded within `limitMs`, or lacks the export. Without
 * `limitMs` there is no time limit.
 */
export async function loadBee({ path, export: name }: BeeModule, limitMs?: number): Promise<Bee<unknown, unknown>> {
  const module = await importModule(path, limitMs)
  const found = exportOf(module, name)
  if (found === undefined) throw noExport(path, name, module)
  const mistake = mistakeIn(found)
  if (mistake === null) return typeof found === 'function' ? { process: found as (input: unknown) => unknown } : (found as Bee<unknown, unknown>)
  throw new WaggleError('WAGGLE_INVALID_MODULE', { message: `The export ${name} of ${path} ${mistake.is}`, next: mistake.next })
}

/** Loads a bee that is a function of requests. Throws the errors of `loadBee`, and WAGGLE_INVALID_MODULE for a bee with steps of the DSL. */
export async function loadBeeWithoutSteps(of: BeeModule): Promise<Exclude<Bee<unknown, unknown>, { connect: unknown }>> {
  const bee = await loadBee(of, loadMs)
  if (!('connect' in bee)) return bee
  throw new WaggleError('WAGGLE_INVALID_MODULE', {
    message: `The export ${of.export} of ${of.path} has steps of the DSL (connect)`,
    next: 'Give the bee the type streams.',
  })
}

/** Loads a bee with steps of the DSL. Throws the errors of `loadBee`, and WAGGLE_INVALID_MODULE for a bee that is a function of requests. */
export async function loadBeeWithSteps(of: BeeModule): Promise<Extract<Bee<unknown, unknown>, { connect: unknown }>> {
  const bee = await loadBee(of, loadMs)
  if ('connect' in bee) return bee
  throw new WaggleError('WAGGLE_INVALID_MODULE', {
    message: `The export ${of.export} of ${of.path} is a function of requests, and has no connect`,
    next: 'Give the bee the type module, or export { connect(input, builder) }.',
  })
}

/**
 * Loads a module and returns the types of its bee's input and output. A type is a member `input` or `output` of the bee, or else an export of that
 * name. Throws WAGGLE_INVALID_MODULE for a member or an export that is not a type.
 */
export async function moduleTypes(of: BeeModule): Promise<ModuleTypes> {
  const bee = await loadBee(of)
  const module = await importModule(of.path)
  const types = ['input', 'output'].flatMap((name) => {
    const type: unknown = Reflect.get(bee, name) ?? (Object.hasOwn(module, name) ? module[name] : undefined)
    if (type === undefined || typeof type === 'function') return []
    const mistake = payloadTypeMistake(type)
    if (mistake === null) return [[name, type]]
    throw new WaggleError('WAGGLE_INVALID_MODULE', {
      message: `The type ${name} of ${of.path} ${mistake}`,
      next: 'Export a JSON Schema, or { tensors: { name: { dtype, shape } } }.',
    })
  })
  return Object.fromEntries(types)
}

/** The export of this name. In a CommonJS module that was compiled from `export default`, the default export is a member of `module.exports`. */
function exportOf(module: { readonly [name: string]: unknown }, name: string): unknown {
  const found = Object.hasOwn(module, name) ? module[name] : undefined
  if (name !== 'default' || !('module.exports' in module) || found === null || typeof found !== 'object') return found
  if (Object.hasOwn(found, 'default')) return (found as { readonly default: unknown }).default
  return Object.keys(found).length === 0 ? undefined : found
}

function noExport(path: string, name: string, module: { readonly [name: string]: unknown }): WaggleError {
  // Node adds these two names to a CommonJS module.
  const added = 'module.exports' in module ? ['module.exports', 'default'] : []
  const exports = Object.keys(module).filter((key) => !added.includes(key))
  const hint = didYouMean(name, exports)
  return new WaggleError('WAGGLE_INVALID_MODULE', {
    message: `${path} has no export ${name} that is a function or has a process function`,
    next:
      exports.length === 0
        ? 'Export a function: export default (input) => output.'
        : `It exports: ${exports.join(', ')}${hint === '' ? '.' : `; ${hint}`}`,
  })
}

interface Mistake {
  readonly is: string
  readonly next: string
}

/** The reason why an export is not a bee, and the next step; null for a bee. */
function mistakeIn(found: unknown): Mistake | null {
  const next = 'Export a function (input, request) => output, or an object with a function process, processBatch or connect.'
  if (typeof found === 'function') return mistakeOfFunction(found, '')
  if (found instanceof Promise) return { is: 'is a promise', next: 'Export the value: export default await … .' }
  if (found === null || typeof found !== 'object') return { is: `is ${found === null ? 'null' : `a ${typeof found}`}, which is not a bee`, next }
  const { process, processBatch, connect } = found as { readonly process?: unknown; readonly processBatch?: unknown; readonly connect?: unknown }
  for (const [name, member] of Object.entries({ process, processBatch, connect })) {
    if (typeof member === 'function') return mistakeOfFunction(member, name)
    if (member !== undefined) return { is: `has a ${name} that is not a function`, next }
  }
  const members = Object.keys(found)
  const hint = members.map((member) => didYouMean(member, ['process', 'processBatch', 'connect'])).find((text) => text !== '')
  return {
    is: `is an object without a function process, processBatch or connect${members.length === 0 ? '' : `: it has ${members.slice(0, 10).join(', ')}`}`,
    next: hint === undefined ? next : `${hint.charAt(0).toUpperCase()}${hint.slice(1)}`,
  }
}

/**
 * The reason why a function is not a bee; null for a bee. A class can only be called with `new`. A normal generator cannot wait while the caller gets
 * its parts, and a batch cannot publish parts.
 */
function mistakeOfFunction(found: object, member: string): Mistake | null {
  if (/^class\b/.test(Function.prototype.toString.call(found)))
    return { is: member === '' ? 'is a class' : `has a class as its ${member}`, next: 'Export an instance of it: export default new TheClass().' }
  const kind = Object.prototype.toString.call(found)
  const canYield = kind === '[object AsyncGeneratorFunction]' && (member === '' || member === 'process')
  if (/GeneratorFunction\]$/.test(kind) && !canYield) {
    const next =
      member === '' || member === 'process'
        ? 'Write async function*, or return the result in place of yield.'
        : 'Return the result in place of yield.'
    return { is: member === '' ? 'is a generator' : `has a generator as its ${member}`, next }
  }
  return null
}
