import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, visit } from 'yaml'
import { WaggleError } from '../waggle-error.ts'

export type Path = readonly (string | number)[]

/** A swarm file as plain values, with the place of each: what the checks read and point at. */
export class SwarmDocument {
  readonly file: string
  readonly value: unknown
  readonly #root: Node | null
  readonly #lines: LineCounter

  private constructor(file: string, root: Node | null, value: unknown, lines: LineCounter) {
    this.file = file
    this.#root = root
    this.value = value
    this.#lines = lines
  }

  /** As `parse`, of the bytes of a file: bytes that are not UTF-8 are a mistake at their place. */
  static read(bytes: Uint8Array, file: string): SwarmDocument {
    if (bytes.length > maxBytes) throw tooLarge(file)
    try {
      return SwarmDocument.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), file)
    } catch (thrown) {
      if (thrown instanceof WaggleError) throw thrown
      throw invalidSwarm(file, [mistakeAt(firstOddByte(bytes, file), 'the file is not UTF-8 here', 'Save it as UTF-8.')])
    }
  }

  /** Everything that makes the text unreadable is thrown at once: WAGGLE_INVALID_SWARM. */
  static parse(text: string, file: string): SwarmDocument {
    if (Buffer.byteLength(text) > maxBytes) throw tooLarge(file)
    const lines = new LineCounter()
    const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: true, strict: true, merge: false, customTags: [] })
    const placeOf = (offset: number) => {
      const { line, col } = lines.linePos(offset)
      return `${file}:${line || 1}:${col || 1}`
    }
    const list = 'empty' in documents ? [] : documents
    const document = list[0]
    if (document === undefined) throw invalidSwarm(file, [mistakeAt(`${file}:1:1`, 'the file is empty', 'Give it a name and bees.')])
    const mistakes = list.flatMap((one) =>
      // A tag that YAML does not know is told below, with every other one.
      [...one.errors, ...one.warnings]
        .filter(({ code }) => code !== 'TAG_RESOLVE_FAILED')
        .map((error) => mistakeAt(placeOf(error.pos[0]), firstLine(error.message), 'Correct the YAML.')),
    )
    if (list.length > 1) mistakes.push(mistakeAt(placeOf(list[1]?.range[0] ?? 0), 'a second document starts here', 'Put one swarm in a file.'))
    visit(document, {
      Node(_, node) {
        const at = placeOf(node.range?.[0] ?? 0)
        if (node.tag !== undefined && !plainTags.has(node.tag))
          mistakes.push(mistakeAt(at, `the tag ${node.tag} is not allowed`, 'Write plain YAML values.'))
      },
      Pair(_, pair) {
        if (!isScalar(pair.key) || typeof pair.key.value !== 'string') {
          const node = pair.key as Node | null
          mistakes.push(mistakeAt(placeOf(node?.range?.[0] ?? 0), 'a key must be a string', 'Quote it, or use a name.'))
        }
      },
    })
    if (mistakes.length > 0) throw invalidSwarm(file, mistakes)
    let value: unknown
    try {
      value = document.toJS({ maxAliasCount: maxAliases })
    } catch {
      throw invalidSwarm(file, [
        mistakeAt(`${file}:1:1`, 'its anchors and aliases expand to too much', `Use at most ${maxAliases} aliases, or none.`),
      ])
    }
    return new SwarmDocument(file, document.contents, value, lines)
  }

  /** `file:line:col` of the value at `path`, or of its key; of the nearest thing above it where it is not written. */
  place(path: Path, options: { readonly key?: boolean } = {}): string {
    let node: Node | null = this.#root
    let offset = node?.range?.[0] ?? 0
    path.forEach((step, index) => {
      const isLast = index === path.length - 1
      if (isMap(node)) {
        const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === step)
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
    return `${this.file}:${line || 1}:${col || 1}`
  }
}

export function mistakeAt(place: string, message: string, next: string): WaggleError {
  return new WaggleError('WAGGLE_SWARM_MISTAKE', { message, next, place })
}

/** All mistakes of a file as one error, in the order of their places. */
export function invalidSwarm(file: string, mistakes: readonly WaggleError[]): WaggleError {
  const sorted = [...mistakes].sort((a, b) => comparePlaces(a.place ?? '', b.place ?? ''))
  const count = sorted.length === 1 ? 'a mistake' : `${sorted.length} mistakes`
  return new WaggleError('WAGGLE_INVALID_SWARM', {
    message: `${file} has ${count}:\n${sorted.map((mistake) => `${mistake.place}: ${mistake.message}; ${mistake.next}`).join('\n')}`,
    next: 'Correct each and run `waggle validate` again.',
    ...(sorted[0]?.place === undefined ? {} : { place: sorted[0].place }),
    cause: new AggregateError(sorted, 'mistakes in the swarm'),
  })
}

/** A swarm file, or waggle.yaml, holds no more. */
const maxBytes = 1024 * 1024
const maxAliases = 100
/** The tags that YAML's own values have, which nobody writes. */
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
  return invalidSwarm(file, [mistakeAt(`${file}:1:1`, `the file is larger than ${maxBytes} bytes`, 'Split the swarm, or move data out of it.')])
}

/** A decoder puts a replacement character in the place of each byte that is not UTF-8. */
function firstOddByte(bytes: Uint8Array, file: string): string {
  const lines = new TextDecoder('utf-8').decode(bytes).split('\n')
  const line = lines.findIndex((text) => text.includes(replacement))
  return `${file}:${line + 1}:${(lines[line]?.indexOf(replacement) ?? 0) + 1}`
}

const replacement = '\u{FFFD}'

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? message).replace(/ at line \d+, column \d+:?$/, '')
}

function comparePlaces(a: string, b: string): number {
  const numbers = (place: string) => place.split(':').slice(-2).map(Number)
  const [lineA = 0, columnA = 0] = numbers(a)
  const [lineB = 0, columnB = 0] = numbers(b)
  return lineA - lineB || columnA - columnB
}
