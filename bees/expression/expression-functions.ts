import { isFields } from '../../topology/fields.ts'
/** The parts of the interpreter that the functions of this file use. */
export interface FunctionContext {
  /** Counts steps. Throws if no steps are left. */
  readonly spend: (steps: number) => void
  /** The result of an expression reference, such as `&name`, for an element. */
  readonly evaluate: (reference: object, element: unknown) => unknown
}

/**
 * The result of a function whose library version takes more than linear time, or is wrong for the names of a prototype. Undefined for any other call,
 * and for arguments that the library refuses.
 */
export function ownResult(name: string, args: readonly unknown[], context: FunctionContext): unknown {
  const [first, second] = args
  if (typeof first === 'string') return textResult(name, first, args)
  if (name === 'merge' && args.length > 0 && args.every(isFields)) return Object.fromEntries(args.flatMap((arg) => Object.entries(arg)))
  if (!Array.isArray(first)) return undefined
  if (name === 'sort' && args.length === 1) return sorted(first, first, context)
  if (args.length !== 2 || !isFields(second) || second.expref !== true) return undefined
  if (name === 'sort_by')
    return sorted(
      first,
      first.map((element) => context.evaluate(second, element)),
      context,
    )
  return name === 'group_by' ? grouped(first, second, context) : undefined
}

function textResult(name: string, text: string, args: readonly unknown[]): unknown {
  const [, second, third] = args
  if (name.startsWith('trim')) return trimmed(name, text, args)
  if (typeof second !== 'string') return undefined
  switch (name) {
    case 'contains':
      return args.length === 2 ? new Needle(second).indexIn(text) >= 0 : undefined
    case 'find_first':
    case 'find_last':
      return found(name, text, second, args.slice(2))
    case 'split':
      return counted(args, 2, (count) => (text === '' && second === '' ? [] : cut(text, second, count)))
    case 'replace':
      return typeof third === 'string' ? counted(args, 3, (count) => cut(text, second, count).join(third)) : undefined
    default:
      return undefined
  }
}

/**
 * A text to search for. The search takes linear time in the lengths of both texts. JavaScript's own search is faster for a short needle, but takes
 * quadratic time for a long needle.
 */
class Needle {
  readonly #text: string
  #next: Uint32Array | null = null

  constructor(text: string) {
    this.#text = text
  }

  /** The first index of the needle in `text`, at `from` or later; -1 if there is none. */
  indexIn(text: string, from = 0): number {
    const needle = this.#text
    if (needle.length <= shortNeedle) return text.indexOf(needle, from)
    const next = this.#fallbacks()
    let length = 0
    for (let at = from; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      while (length > 0 && needle.charCodeAt(length) !== unit) length = next[length - 1] ?? 0
      if (needle.charCodeAt(length) === unit) length++
      if (length === needle.length) return at - length + 1
    }
    return -1
  }

  lastIndexIn(text: string): number {
    if (this.#text.length <= shortNeedle) return text.lastIndexOf(this.#text)
    const at = new Needle(reversed(this.#text)).indexIn(reversed(text))
    return at < 0 ? -1 : text.length - at - this.#text.length
  }

  /** For each prefix of the needle, the length of the longest shorter prefix that is also its suffix (Knuth, Morris and Pratt). */
  #fallbacks(): Uint32Array {
    if (this.#next !== null) return this.#next
    const needle = this.#text
    const next = new Uint32Array(needle.length)
    for (let at = 1, length = 0; at < needle.length; at++) {
      while (length > 0 && needle.charCodeAt(at) !== needle.charCodeAt(length)) length = next[length - 1] ?? 0
      if (needle.charCodeAt(at) === needle.charCodeAt(length)) length++
      next[at] = length
    }
    this.#next = next
    return next
  }
}

/** The text with its code units in reverse order. Surrogate pairs are reversed too. */
function reversed(text: string): string {
  return text.split('').reverse().join('')
}

function found(name: string, text: string, needle: string, bounds: readonly unknown[]): number | null | undefined {
  const [start = 0, end = text.length, ...others] = bounds
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || others.length > 0) return undefined
  if (text === '' || needle === '') return null
  const from = Math.max(Number(start), 0)
  const part = text.slice(from, Math.min(Number(end) || text.length, text.length))
  const at = name === 'find_first' ? new Needle(needle).indexIn(part) : new Needle(needle).lastIndexIn(part)
  return at < 0 ? null : at + from
}

/**
 * The result of `act` for the optional last argument, which is the largest number of places. Undefined for a wrong argument, which the library then
 * reports.
 */
function counted<T>(args: readonly unknown[], at: number, act: (count: number) => T): T | undefined {
  const { [at]: count = Number.POSITIVE_INFINITY } = args
  const isCount = count === Number.POSITIVE_INFINITY || (Number.isSafeInteger(count) && Number(count) >= 0)
  return isCount && args.length <= at + 1 ? act(Number(count)) : undefined
}

/** The parts of a text between the first `count` needles. */
function cut(text: string, separator: string, count: number): readonly string[] {
  if (separator === '') {
    const units = text.split('')
    return units.length <= count + 1 ? units : [...units.slice(0, count), units.slice(count).join('')]
  }
  const needle = new Needle(separator)
  const parts: string[] = []
  let from = 0
  while (parts.length < count) {
    const at = needle.indexIn(text, from)
    if (at < 0) break
    parts.push(text.slice(from, at))
    from = at + separator.length
  }
  return [...parts, text.slice(from)]
}

/** The text without white space, or without `characters`, at its ends. The library uses a regular expression, which takes quadratic time. */
function trimmed(name: string, text: string, [, characters = '', ...others]: readonly unknown[]): string | undefined {
  if (typeof characters !== 'string' || others.length > 0) return undefined
  const units = new Set(characters.split(''))
  const isSpace = (at: number) => (characters === '' ? /[\s\x85]/.test(text.charAt(at)) : units.has(text.charAt(at)))
  let [from, to] = [0, text.length]
  if (name !== 'trim_right') while (from < to && isSpace(from)) from++
  if (name !== 'trim_left') while (to > from && isSpace(to - 1)) to--
  return text.slice(from, to)
}

/** The elements in the order of their keys. Throws for keys that are not all texts or all numbers. */
function sorted(elements: readonly unknown[], keys: readonly unknown[], { spend }: FunctionContext): readonly unknown[] {
  const isOf = (type: string) => keys.every((key) => typeof key === type)
  if (!isOf('string') && !isOf('number')) throw new TypeError('the keys of a sort must be all texts or all numbers')
  const order = (a: unknown, b: unknown) => (typeof a === 'string' && typeof b === 'string' ? textOrder(a, b, spend) : Number(a) - Number(b))
  const places = keys.map((_, at) => at).sort((a, b) => order(keys[a], keys[b]))
  return places.map((at) => elements[at])
}

/** Compares two texts by code point. The library would make lists of all code points at each comparison. */
function textOrder(a: string, b: string, spend: (steps: number) => void): number {
  const shorter = Math.min(a.length, b.length)
  let at = 0
  while (at < shorter && a.charCodeAt(at) === b.charCodeAt(at)) at++
  spend(at / charactersAStep)
  return at === shorter ? a.length - b.length : rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
}

/** A number that orders code units like code points: surrogates rank above all others, because they stand for the highest code points. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}

function grouped(elements: readonly unknown[], reference: object, { evaluate }: FunctionContext): object {
  const groups = new Map<string, unknown[]>()
  for (const element of elements) {
    const key = evaluate(reference, element ?? {})
    if (typeof key !== 'string') throw new TypeError(`the key of group_by must be a text, and is ${JSON.stringify(key)?.slice(0, 60)}`)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [element])
    else group.push(element)
  }
  return Object.fromEntries(groups)
}

/** The number of characters of a text that one step of the budget pays for. */
export const charactersAStep = 16
/** The longest needle for which JavaScript's own search is used. */
const shortNeedle = 64
