import type { Statement } from '../../topology/swarm/ports/postgres.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

/** A parameter of a query: the path of its value in the input. */
export interface NamedParameter {
  readonly name: string
  readonly path: readonly string[]
}

/**
 * A query with named parameters, translated to a statement with numbered parameters. `:name` is the input's field of that name, `:a.b` is a field
 * inside a field, and `:"any name"` is a field whose name has other characters. `$name` is the same as `:name`. Values never become part of the text.
 * Strings, quoted names, comments, `::type` and array slices stay unchanged.
 */
export class NamedStatement implements Statement {
  readonly text: string
  readonly fields: readonly NamedParameter[]
  /** True if no word of the query changes data. A function that the query calls may still change data. */
  readonly isRead: boolean
  readonly #query: string
  /** For each parameter: the position in `text` where it begins, and the number of characters by which it is longer in the query. */
  readonly #shifts: readonly { readonly at: number; readonly by: number }[]

  private constructor(
    query: string,
    text: string,
    fields: readonly NamedParameter[],
    shifts: readonly { readonly at: number; readonly by: number }[],
  ) {
    this.#query = query
    this.text = text
    this.fields = fields
    this.#shifts = shifts
    const words = [...query.matchAll(token)].flatMap(({ groups }) => groups?.word?.toUpperCase() ?? [])
    this.isRead = readingWords.has(words[0] ?? '') && !words.some((word) => writingWords.has(word))
  }

  /** Parses a query. Throws WAGGLE_POSTGRES_QUERY for a numbered parameter (`$1`), because the fields of an input have names and no order. */
  static parse(query: string): NamedStatement {
    const fields: NamedParameter[] = []
    const shifts: { at: number; by: number }[] = []
    let text = ''
    let from = 0
    for (const match of query.matchAll(token)) {
      const { numbered, path: name } = match.groups ?? {}
      const at = match.index
      if (numbered !== undefined)
        throw new WaggleError('WAGGLE_POSTGRES_QUERY', {
          message: `${numbered} in the query has no name`,
          next: 'Write :name for the field of that name in the input.',
        })
      if (name === undefined) continue
      const path = [...name.matchAll(step)].map(([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain)
      const shown = path.join('.')
      let index = fields.findIndex((field) => field.name === shown)
      if (index < 0) index = fields.push({ name: shown, path }) - 1
      text += query.slice(from, at)
      const number = `$${index + 1}`
      shifts.push({ at: text.length + number.length, by: match[0].length - number.length })
      text += number
      from = at + match[0].length
    }
    return new NamedStatement(query, text + query.slice(from), fields, shifts)
  }

  get parameters(): readonly string[] {
    return this.fields.map(({ name }) => name)
  }

  lineAndColumnOf(character: number): string {
    const shift = this.#shifts.filter(({ at }) => at <= character).reduce((sum, { by }) => sum + by, 0)
    const before = this.#query.slice(0, character + shift)
    return `line ${before.split('\n').length}, column ${before.length - before.lastIndexOf('\n')}`
  }
}

const word = '[A-Za-z_\\u0080-\\uffff][\\w$\\u0080-\\uffff]*'
const fieldName = '[A-Za-z_\\u0080-\\uffff][\\w\\u0080-\\uffff]*'
const quotedName = '"(?:[^"]|"")+"'
const path = `(?:${fieldName}|${quotedName})(?:\\.(?:${fieldName}|${quotedName}))*`
const step = new RegExp(`"((?:[^"]|"")+)"|(${fieldName})`, 'g')

/**
 * One token of SQL. A token without a named group stays unchanged: strings, quoted names, comments, dollar-quoted texts, casts, and a colon after a
 * word or a bracket, which belongs to an array slice.
 */
const token = new RegExp(
  [
    "[eE]'(?:[^'\\\\]|\\\\[^]|'')*(?:'|$)",
    "'(?:[^']|'')*(?:'|$)",
    '"(?:[^"]|"")*(?:"|$)',
    '--[^\\n]*',
    '/\\*[^]*?(?:\\*/|$)',
    `\\$(?<tag>${fieldName})?\\$[^]*?(?:\\$\\k<tag>\\$|$)`,
    '::',
    ':=',
    '(?<=[\\w\\])]):',
    `(?<word>${word})`,
    '(?<numbered>\\$\\d+)',
    `[:$](?<path>${path})`,
  ].join('|'),
  'g',
)
const readingWords: ReadonlySet<string> = new Set(['SELECT', 'VALUES', 'TABLE', 'SHOW', 'WITH', 'EXPLAIN'])
const writingWords: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE', 'INTO', 'CALL', 'TRUNCATE', 'CREATE', 'DROP', 'ALTER'])
