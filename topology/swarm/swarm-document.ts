import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseAllDocuments,
  type YAMLMap,
} from 'yaml'
import { WaggleError } from '../waggle-error.ts'

export type Path = readonly (string | number)[]

/** A swarm file as plain values, with the place of each value in the file. Checks read the values and report the places. */
export class SwarmDocument {
  readonly file: string
  readonly value: unknown
  readonly #root: Node | null
  readonly #lines: LineCounter
  /** The number of lines of the file before the parsed text. */
  readonly #linesBefore: number
  /** The place of a value that does not come from a file. This place precedes the path in the value. Null for a file. */
  readonly #origin: string | null
  readonly #pairs = new WeakMap<YAMLMap, ReadonlyMap<unknown, Pair>>()

  private constructor(
    file: string,
    root: Node | null,
    value: unknown,
    lines: LineCounter,
    { origin = null, linesBefore = 0 }: { readonly origin?: string | null; readonly linesBefore?: number } = {},
  ) {
    this.#origin = origin
    this.#linesBefore = linesBefore
    this.file = file
    this.#root = root
    this.value = value
    this.#lines = lines
  }

  /**
   * Makes a document of a program's value, without a file. `origin` is the place of the program that gave the value. A place in the value is then
   * `ORIGIN: bees[1].type`.
   */
  static ofValue(value: unknown, origin: string): SwarmDocument {
    return new SwarmDocument(origin, null, value, new LineCounter(), { origin })
  }

  /** Parses the bytes of a file. Bytes that are not UTF-8 are a mistake, reported with its place. */
  static read(bytes: Uint8Array, file: string): SwarmDocument {
    if (bytes.length > maxSwarmBytes) throw tooLarge(file)
    try {
      return SwarmDocument.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), file)
    } catch (thrown) {
      if (thrown instanceof WaggleError) throw thrown
      throw invalidSwarm(file, [mistakeAt(firstOddByte(bytes, file), 'the file is not UTF-8 here', 'Save it as UTF-8.')])
    }
  }

  /** Parses a text. `linesBefore` lines of the file come before the text. WAGGLE_INVALID_SWARM lists everything that makes the text unreadable. */
  static parse(text: string, file: string, { linesBefore = 0 }: { readonly linesBefore?: number } = {}): SwarmDocument {
    if (Buffer.byteLength(text) > maxSwarmBytes) throw tooLarge(file)
    const lines = new LineCounter()
    const placeAt = (offset: number) => {
      const { line, col } = lines.linePos(Math.min(offset, text.length))
      return `${file}:${(line || 1) + linesBefore}:${col || 1}`
    }
    const start = `${file}:${linesBefore + 1}:1`
    const list = parsedDocuments(text, { file, start }, lines)
    const document = list[0]
    if (document === undefined || (document.contents === null && document.errors.length === 0))
      throw invalidSwarm(file, [mistakeAt(start, 'the file is empty', 'Give the swarm a name and bees.')])
    const mistakes = list.flatMap((one) =>
      // A tag that YAML does not know is reported below with the other tags.
      [...one.errors, ...one.warnings]
        .filter(({ code, message }) => code !== 'TAG_RESOLVE_FAILED' && !stackIsFull.test(message))
        .slice(0, enoughMistakes)
        .map((error) => mistakeAt(placeAt(error.pos[0]), firstLine(error.message), 'Correct the YAML.')),
    )
    if (list.length > 1) mistakes.push(mistakeAt(placeAt(list[1]?.range[0] ?? 0), 'a second document starts here', 'Put one swarm in a file.'))
    mistakes.push(...nodeMistakes(document, placeAt))
    if (mistakes.length === 0 && list.some(({ errors }) => errors.some(({ message }) => stackIsFull.test(message)))) throw tooDeep(start, file)
    if (mistakes.length > 0) throw invalidSwarm(file, mistakes)
    let value: unknown
    try {
      value = document.toJS({ maxAliasCount: maxAliases })
    } catch {
      throw invalidSwarm(file, [mistakeAt(start, 'its anchors and aliases expand to too much', `Use at most ${maxAliases} aliases, or none.`)])
    }
    // The depth is checked on the value, because aliases can nest a value many times.
    if (depthOf(value) > maxDepth) throw tooDeep(start, file)
    return new SwarmDocument(file, document.contents, value, lines, { linesBefore })
  }

  /** True if the file has a value at `path`. */
  has(path: Path): boolean {
    let value = this.value
    for (const step of path) {
      if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step)) return false
      value = Reflect.get(value, step)
    }
    return true
  }

  /** `file:line:col` of the value at `path`, or of its key. If the file lacks the value, the place of the nearest parent that the file has. */
  place(path: Path, options: { readonly key?: boolean } = {}): string {
    if (this.#origin !== null) return path.length === 0 ? this.#origin : `${this.#origin}: ${pathText(path)}`
    let node: Node | null = this.#root
    let offset = node?.range?.[0] ?? 0
    path.forEach((step, index) => {
      const isLast = index === path.length - 1
      if (isMap(node)) {
        const pair = this.#pairsOf(node).get(step)
        const key = pair?.key as Node | undefined
        const value = (pair?.value ?? null) as Node | null
        if (key !== undefined) offset = (isLast && options.key) || value === null ? (key.range?.[0] ?? offset) : (value.range?.[0] ?? offset)
        node = value
      } else if (isSeq(node)) {
        const item = (node.items[Number(step)] ?? null) as Node | null
        offset = item?.range?.[0] ?? offset
        node = item
      } else node = null
    })
    const { line, col } = this.#lines.linePos(offset)
    return `${this.file}:${(line || 1) + this.#linesBefore}:${col || 1}`
  }

  /** The pairs of a map by key. The pairs are cached, because one map may have thousands of mistakes. */
  #pairsOf(map: YAMLMap): ReadonlyMap<unknown, Pair> {
    const known = this.#pairs.get(map)
    if (known !== undefined) return known
    const pairs = new Map(map.items.map((pair) => [isScalar(pair.key) ? pair.key.value : pair.key, pair]))
    this.#pairs.set(map, pairs)
    return pairs
  }
}

/** `bees[1].input.name` */
function pathText(path: Path): string {
  return path.map((step, at) => (typeof step === 'number' ? `[${step}]` : `${at === 0 ? '' : '.'}${step}`)).join('')
}

/** Makes a mistake. Its texts may quote a file, so long texts are cut and control characters are escaped. */
export function mistakeAt(place: string, message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_SWARM_MISTAKE', { message: quotable(message), next: quotable(next), place })
}

/** One error for all mistakes of a file, in the order of their places. The error lists the first hundred mistakes, and the number of all mistakes. */
export function invalidSwarm(file: string, mistakes: readonly WaggleError[]): WaggleError {
  const sorted = mistakes
    .map((mistake) => ({ mistake, place: lineAndColumn(mistake.place ?? '') }))
    .sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1])
    .map(({ mistake }) => mistake)
  const number = mistakes.length < enoughMistakes ? String(mistakes.length) : `${enoughMistakes} or more`
  const count = sorted.length === 1 ? 'a mistake' : `${number} mistakes`
  const [next] = sorted.splice(maxMistakes)
  if (next !== undefined) sorted.push(mistakeAt(next.place ?? `${file}:1:1`, 'more mistakes begin here', 'Correct those above first.'))
  return new WaggleError('WAGGLE_INVALID_SWARM', {
    message: `${file} has ${count}:\n${sorted.map((mistake) => `${mistake.place}: ${mistake.message}; ${mistake.next}`).join('\n')}`,
    next: 'Correct each and run `waggle validate` again.',
    ...(sorted[0]?.place === undefined ? {} : { place: sorted[0].place }),
    cause: new AggregateError(sorted, 'mistakes in the swarm'),
  })
}

/** The size limit of a swarm file and of waggle.yaml. */
export const maxSwarmBytes = 1024 * 1024
const maxAliases = 100
const maxDepth = 64
/** A check stops after this many mistakes, because a file may be wrong throughout. */
export const enoughMistakes = 1000
/** The number of mistakes that an error lists. */
const maxMistakes = 100
/** The number of characters of each text that may quote a file. */
const maxTextLength = 500
/** Matches the stack overflow that the YAML parser reports for a file that is nested too deeply. */
const stackIsFull = /call stack size|Stack overflow/
const control = /\p{Cc}/gu
/** The tags of YAML's own values. A file need not write them. */
const plainTags = new Set([
  'tag:yaml.org,2002:map',
  'tag:yaml.org,2002:seq',
  'tag:yaml.org,2002:str',
  'tag:yaml.org,2002:int',
  'tag:yaml.org,2002:float',
  'tag:yaml.org,2002:bool',
  'tag:yaml.org,2002:null',
])

function tooLarge(file: string): WaggleError {
  return invalidSwarm(file, [mistakeAt(`${file}:1:1`, `the file is larger than ${maxSwarmBytes} bytes`, 'Split the swarm, or move data out of it.')])
}

/** The place of the first byte that is not UTF-8. The decoder turns such a byte into a replacement character. */
function firstOddByte(bytes: Uint8Array, file: string): string {
  const lines = new TextDecoder('utf-8').decode(bytes).split('\n')
  const line = lines.findIndex((text) => text.includes(replacement))
  return `${file}:${line + 1}:${(lines[line]?.indexOf(replacement) ?? 0) + 1}`
}

const replacement = '\u{FFFD}'

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? message).replace(/ at line \d+, column \d+:?$/, '')
}

function lineAndColumn(place: string): readonly [number, number] {
  const [line = 0, column = 0] = place.split(':').slice(-2).map(Number)
  return [line || 0, column || 0]
}

function quotable(text: string): string {
  const cut = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text
  return cut.toWellFormed().replace(control, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function parsedDocuments(
  text: string,
  { file, start }: { readonly file: string; readonly start: string },
  lineCounter: LineCounter,
): readonly Document.Parsed[] {
  try {
    // `yaml` would compare each key with every other key to find duplicates. `nodeMistakes` below finds them faster.
    const documents = parseAllDocuments(text, { lineCounter, uniqueKeys: false, strict: true, merge: false, customTags: [], prettyErrors: false })
    return 'empty' in documents ? [] : documents
  } catch (thrown) {
    // The parser calls itself for each level of nesting, until the stack is full.
    if (thrown instanceof RangeError) throw tooDeep(start, file)
    throw invalidSwarm(file, [mistakeAt(start, `the file cannot be parsed (${String(thrown)})`, 'Correct the YAML.')])
  }
}

function tooDeep(place: string, file: string): WaggleError {
  return invalidSwarm(file, [mistakeAt(place, `values are nested more than ${maxDepth} levels deep`, 'Make the values flatter.')])
}

/** Finds mistakes without recursion, because the file may be nested very deeply. */
function nodeMistakes(document: Document.Parsed, placeAt: (offset: number) => string): readonly WaggleError[] {
  const mistakes: WaggleError[] = []
  const aliases: Alias[] = []
  const waiting: { readonly node: unknown; readonly depth: number }[] = [{ node: document.contents, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, depth } = next
    if (!isNode(node)) continue
    const at = node.range?.[0] ?? 0
    const add = (message: string, step: string) => mistakes.push(mistakeAt(placeAt(at), message, step))
    if (depth > maxDepth) {
      add(`values are nested more than ${maxDepth} levels deep`, 'Make the values flatter.')
      continue
    }
    if (isAlias(node)) {
      aliases.push(node)
      continue
    }
    if (node.tag !== undefined && !plainTags.has(node.tag)) add(`the tag ${node.tag} is not allowed`, 'Write plain YAML values.')
    if (isScalar(node) && typeof node.value === 'string') {
      const wrong = wrongCharacter(node.value)
      if (wrong !== null) add(`a string holds ${wrong}`, 'Take it away: no name, command or setting can have it.')
    }
    if (isSeq(node)) for (const item of node.items) waiting.push({ node: item, depth: depth + 1 })
    if (!isMap(node)) continue
    const keys = new Set<string>()
    for (const { key, value } of node.items) {
      waiting.push({ node: key, depth: depth + 1 }, { node: value, depth: depth + 1 })
      const place = () => placeAt(isNode(key) ? (key.range?.[0] ?? at) : at)
      if (!isScalar(key) || typeof key.value !== 'string') mistakes.push(mistakeAt(place(), 'a key must be a string', 'Quote it, or use a name.'))
      else if (keys.has(key.value)) mistakes.push(mistakeAt(place(), `the key ${key.value} is a duplicate`, 'Keep one of the two.'))
      else keys.add(key.value)
    }
  }
  mistakes.push(...aliasMistakes(document, aliases, placeAt))
  return mistakes
}

/**
 * The mistakes of aliases. Their number is limited. `yaml` searches the whole document for each alias, so a file full of aliases would take minutes.
 */
function aliasMistakes(document: Document.Parsed, aliases: readonly Alias[], placeAt: (offset: number) => string): readonly WaggleError[] {
  const offsetOf = (alias: Alias) => alias.range?.[0] ?? 0
  if (aliases.length > maxAliases) {
    const first = aliases.reduce((least, alias) => Math.min(least, offsetOf(alias)), Number.POSITIVE_INFINITY)
    return [mistakeAt(placeAt(first), `there are more than ${maxAliases} aliases`, 'Write the values out.')]
  }
  return aliases.flatMap((alias) => {
    const [at, anchor] = [offsetOf(alias), alias.resolve(document)]
    if (!anchor?.range || anchor.range[0] > at || at >= anchor.range[2]) return []
    return [mistakeAt(placeAt(at), `*${alias.source} stands inside &${alias.source}: the value would hold itself`, 'Take the alias away.')]
  })
}

/** Operating systems refuse NUL in a path, a command or an environment. Half a surrogate pair cannot be encoded. */
function wrongCharacter(text: string): string | null {
  if (text.includes('\0')) return 'the character NUL'
  return text.isWellFormed() ? null : 'half a surrogate pair'
}

function depthOf(value: unknown): number {
  const depths = new Map<object, number>()
  let deepest = 0
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 1 }]
  for (let next = waiting.pop(); next !== undefined && deepest <= maxDepth; next = waiting.pop()) {
    const { value, depth } = next
    // A value with an anchor is visited again only at a greater depth than before.
    if (value === null || typeof value !== 'object' || (depths.get(value) ?? 0) >= depth) continue
    depths.set(value, depth)
    deepest = Math.max(deepest, depth)
    for (const inner of Object.values(value)) waiting.push({ value: inner, depth: depth + 1 })
  }
  return deepest
}
