import { WaggleError } from '../../waggle-error.ts'

/** Limits of one JSON value. The limits bound recursion and memory. A request whose value exceeds a limit gets an error. */
export interface JsonBounds {
  /** The most levels of objects and lists inside each other. */
  readonly maxDepth: number
  /** The most members of objects and items of lists, together. */
  readonly maxValues: number
  /** The most members of objects. A member costs V8 about ten times as much as an item of a list. */
  readonly maxMembers: number
  /** The most characters of strings and names, together. */
  readonly maxCharacters: number
}

/**
 * The size limit of a bee's output, in bytes. The default limit of a gateway is the same (`WAGGLE_MAX_BODY_BYTES`, 32 MiB). Topics on Kafka are
 * created for this size.
 */
export const maxOutputBytes = 32 * 1024 * 1024

/**
 * Limits of a value inside a swarm. These limits are wider than a caller's limits, because bees may wrap the caller's value. `JSON.stringify`
 * overflows the stack at about 5,000 levels.
 */
export const insideBounds: JsonBounds = { maxDepth: 512, maxValues: 1_000_000, maxMembers: 200_000, maxCharacters: maxOutputBytes }

/** Limits of a value from a caller. */
export const edgeBounds: JsonBounds = { ...insideBounds, maxDepth: 128, maxMembers: 100_000 }

/**
 * Parses the body of a request or the record of a gateway as JSON in UTF-8. A byte order mark is skipped. Throws WAGGLE_BAD_JSON for other bytes, for
 * a value past `edgeBounds`, and for a number that a double cannot hold: a number beyond its range, or an integer outside ±(2^53 - 1) (RFC 7493,
 * 2.2).
 */
export function edgeJson(bytes: Uint8Array): unknown {
  const text = utf8Text(bytes)
  // A member takes at least five bytes and an item at least two. So a short text need not be counted before it is parsed.
  if (text.length > Math.min(2 * edgeBounds.maxValues, 5 * edgeBounds.maxMembers)) refuseManyValues(text)
  const value = parsed(text)
  const walk = new BoundedWalk(edgeBounds)
  walk.check(value)
  if (walk.hasUnsafeInteger) refuseUnsafeInteger(text)
  return walk.hasMinusZero ? withoutMinusZero(value) : value
}

/** Parses JSON that Waggle or a process of the swarm wrote. The limits are wider than those of `edgeJson`, and large integers are read as doubles. */
export function insideJson(bytes: Uint8Array): unknown {
  const value = parsed(utf8Text(bytes))
  const walk = new BoundedWalk(insideBounds)
  walk.check(value)
  return walk.hasMinusZero ? withoutMinusZero(value) : value
}

/** The same bytes without a byte order mark. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

/**
 * A copy of a function's result, like `JSON.parse(JSON.stringify(value))`. The copy is made with `toJSON`, without undefined members, and with null
 * for undefined items. No other code has the copy, and the copy can always be written as JSON.
 *
 * Throws WAGGLE_NOT_JSON for a value that JSON would lose or cannot represent: NaN, ±Infinity, bigint, a function, a Map, a Set, a typed array, a
 * cycle, or a value past `insideBounds`. An error that a getter, a proxy or a `toJSON` throws is not caught.
 */
export function jsonCopy(value: unknown): unknown {
  const copy = new JsonCopy(insideBounds).of(value)
  if (copy === undefined) throw notJson(`${kindOf(value)} is not a JSON value`)
  return copy
}

function utf8Text(bytes: Uint8Array): string {
  const { buffer, byteOffset, byteLength } = withoutMark(bytes)
  const text = Buffer.from(buffer, byteOffset, byteLength).toString()
  // `toString` writes U+FFFD for bytes that are not UTF-8, but a valid text may contain U+FFFD too.
  if (text.includes('\ufffd')) {
    try {
      strictUtf8.decode(bytes)
    } catch {
      throw badJson('they are not UTF-8')
    }
  }
  return text
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : 'they cannot be parsed'
    throw badJson(/[[:,\s]-?(NaN|Infinity)\s*[\],}]|^\s*-?(NaN|Infinity)\s*$/.test(text) ? `${why}; JSON has no NaN and no Infinity` : why)
  }
}

/**
 * `JSON.stringify` writes -0 as 0. The value in memory gets 0 too. So a step that gets the value in memory sees the same as a step that reads it from
 * the log.
 */
function withoutMinusZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

/** Counts the parts of one value against the limits. */
class Count {
  readonly #bounds: JsonBounds
  readonly #refuse: (why: string) => WaggleError
  #values = 0
  #members = 0
  #characters = 0

  constructor(bounds: JsonBounds, refuse: (why: string) => WaggleError) {
    this.#bounds = bounds
    this.#refuse = refuse
  }

  enter(depth: number): void {
    if (depth > this.#bounds.maxDepth) throw this.#refuse(`it is nested more than ${this.#bounds.maxDepth} levels deep`)
  }

  value(): void {
    if (++this.#values > this.#bounds.maxValues) throw tooMany(this.#refuse, this.#bounds)
  }

  member(name: string): void {
    if (++this.#members > this.#bounds.maxMembers) throw tooManyMembers(this.#refuse, this.#bounds)
    this.text(name)
  }

  /** Counts a list by its length. So a long list of holes is refused without a walk over its items. */
  list(length: number): void {
    if (length > this.#bounds.maxValues - this.#values) throw tooMany(this.#refuse, this.#bounds)
  }

  text(text: string): void {
    this.#characters += text.length
    if (this.#characters > this.#bounds.maxCharacters) throw this.#refuse(`its strings have more than ${this.#bounds.maxCharacters} characters`)
  }
}

/** Counts the parts of a value that `JSON.parse` returned. */
class BoundedWalk {
  readonly #count: Count
  /** True if a number is an integer outside ±(2^53 - 1), which may have lost digits. */
  hasUnsafeInteger = false
  hasMinusZero = false

  constructor(bounds: JsonBounds) {
    this.#count = new Count(bounds, badJson)
  }

  check(value: unknown): void {
    this.#visit(value, 1)
  }

  #visit(value: unknown, depth: number): void {
    this.#count.value()
    if (typeof value === 'string') this.#count.text(value)
    else if (typeof value === 'number') this.#number(value)
    else if (Array.isArray(value)) {
      this.#count.enter(depth)
      for (let at = 0; at < value.length; at++) this.#visit(value[at], depth + 1)
    } else if (value !== null && typeof value === 'object') {
      this.#count.enter(depth)
      for (const name of Object.keys(value)) {
        this.#count.member(name)
        this.#visit((value as { readonly [name: string]: unknown })[name], depth + 1)
      }
    }
  }

  #number(value: number): void {
    if (!Number.isFinite(value)) throw badJson('a number is beyond what a double holds (1.8e308)')
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) this.hasUnsafeInteger = true
    if (Object.is(value, -0)) this.hasMinusZero = true
  }
}

/** Copies a value. Recursion is safe, because depth is limited. A cycle ends at the limit. */
class JsonCopy {
  readonly #count: Count

  constructor(bounds: JsonBounds) {
    this.#count = new Count(bounds, notJson)
  }

  /** Returns undefined if JSON leaves the value out. */
  of(value: unknown): unknown {
    return this.#visit(value, '', 1)
  }

  #visit(given: unknown, name: string, depth: number): unknown {
    this.#count.value()
    const value = plainOf(given, name)
    switch (typeof value) {
      case 'string':
        this.#count.text(value)
        return value
      case 'number':
        if (!Number.isFinite(value)) throw notJson(`${value} is not a JSON number`)
        // JSON has no -0, so a bee in another process would read 0. The copy therefore has 0.
        return value === 0 ? 0 : value
      case 'boolean':
        return value
      case 'object':
        if (value === null) return null
        this.#count.enter(depth)
        return Array.isArray(value) ? this.#list(value, depth) : this.#object(value, depth)
      case 'bigint':
        throw notJson('a bigint is not a JSON number: give a string, or a number')
      default:
        return undefined
    }
  }

  #list(list: readonly unknown[], depth: number): unknown {
    const copy: unknown[] = []
    const { length } = list
    this.#count.list(length)
    for (let at = 0; at < length; at++) copy.push(this.#visit(list[at], String(at), depth + 1) ?? null)
    return copy
  }

  #object(object: object, depth: number): unknown {
    if (losesContent(object)) throw notJson(`${kindOf(object)} is not a JSON value: give a list or a plain object`)
    const copy = {}
    for (const name of Object.keys(object)) {
      const value = this.#visit((object as { readonly [name: string]: unknown })[name], name, depth + 1)
      if (value === undefined) continue
      this.#count.member(name)
      // An assignment to __proto__ would set the prototype.
      if (name === '__proto__') Object.defineProperty(copy, name, { value, enumerable: true, writable: true, configurable: true })
      else (copy as { [name: string]: unknown })[name] = value
    }
    return copy
  }
}

/** Calls `toJSON` and unwraps boxed primitives, as `JSON.stringify` does. A Buffer stays as it is, and is then refused as a typed array. */
function plainOf(given: unknown, name: string): unknown {
  if (given === null || (typeof given !== 'object' && typeof given !== 'bigint')) return given
  if (ArrayBuffer.isView(given)) return given
  const { toJSON } = given as { readonly toJSON?: unknown }
  const value: unknown = typeof toJSON === 'function' ? toJSON.call(given, name) : given
  if (value instanceof Number) return Number(value)
  if (value instanceof String) return String(value)
  return value instanceof Boolean || value instanceof BigInt ? value.valueOf() : value
}

/** True for an object whose content `JSON.stringify` loses: the text would be `{}`, or an object whose names are indexes. */
function losesContent(object: object): boolean {
  return (
    ArrayBuffer.isView(object) ||
    object instanceof Map ||
    object instanceof Set ||
    object instanceof WeakMap ||
    object instanceof WeakSet ||
    object instanceof ArrayBuffer ||
    object instanceof SharedArrayBuffer ||
    object instanceof Promise ||
    object instanceof RegExp ||
    object instanceof Error
  )
}

function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === undefined ? 'nothing' : `a ${typeof value}`
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

/**
 * Refuses a text with too many values before the text is parsed. A text has at most one value more than commas and opening brackets outside of
 * strings.
 */
function refuseManyValues(text: string): void {
  let values = 1
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at)
    else if (code === comma || code === openList || code === openObject) values++
    else if (code === colon) members++
    if (values > edgeBounds.maxValues) throw tooMany(badJson, edgeBounds)
    if (members > edgeBounds.maxMembers) throw tooManyMembers(badJson, edgeBounds)
  }
}

/** Refuses an integer that a double may not hold exactly. A large number with a fraction or an exponent is allowed. */
function refuseUnsafeInteger(text: string): void {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === quote) at = endOfString(text, at)
    else if (isDigit(code)) {
      const start = at
      while (isDigit(text.charCodeAt(at + 1))) at++
      const token = text.slice(start, at + 1)
      if (!hasFraction.has(text.charAt(at + 1)) && !Number.isSafeInteger(Number(token)))
        throw badJson(`an integer that starts with ${token.slice(0, 20)} is beyond ±${Number.MAX_SAFE_INTEGER}: send it as a string`)
      // Skips the digits of a fraction or an exponent.
      while (isDigit(text.charCodeAt(at + 1)) || hasFraction.has(text.charAt(at + 1)) || exponentSigns.has(text.charAt(at + 1))) at++
    }
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === backslash) at++
    else if (code === quote) return at
  }
  return text.length
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

const hasFraction: ReadonlySet<string> = new Set('.eE')
const exponentSigns: ReadonlySet<string> = new Set('+-')
const strictUtf8 = new TextDecoder('utf-8', { fatal: true })
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openList = 0x5b
const openObject = 0x7b

function tooMany(refuse: (why: string) => WaggleError, { maxValues }: JsonBounds): WaggleError {
  return refuse(`it has more than ${maxValues} values`)
}

function tooManyMembers(refuse: (why: string) => WaggleError, { maxMembers }: JsonBounds): WaggleError {
  return refuse(`its objects have more than ${maxMembers} members`)
}

function badJson(why: string): WaggleError {
  return new WaggleError('WAGGLE_BAD_JSON', {
    message: `The bytes are not JSON that a swarm takes: ${why}`,
    next: 'Send JSON within the bounds of docs/security.md.',
  })
}

function notJson(why: string): WaggleError {
  return new WaggleError('WAGGLE_NOT_JSON', { message: why, next: 'Return a JSON value, bytes, { contentType, bytes } or { tensors }.' })
}
