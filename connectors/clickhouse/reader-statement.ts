import type { ChdbResult, Session } from 'chdb'
import type { EngineFunctions } from './engine-functions.ts'
import { QueryRefused } from './query-refused.ts'
import { type StatementToken, statementTokens } from './statement-tokens.ts'

/** A statement that only reads, as ClickHouse's formatter writes it: without comments, names in one form, text in single quotes. */
export interface ReaderStatement {
  readonly sql: string
  /** The format that the FORMAT clause names; null if there is no FORMAT clause. */
  readonly format: string | null
}

/**
 * Checks that a text is one statement that only reads, and returns the statement in the form that was checked. The engine runs only the returned
 * form. ClickHouse's own parser determines the number and kind of statements. `readonly = 1` and the user's rights refuse writes and other sources of
 * data.
 *
 * chDB would run some clauses and statements before `readonly = 1` and the rights apply. This check refuses: INTO OUTFILE, functions that reach
 * beyond the tables, SETTINGS inside a subquery, and statements that change the connection or the server (SET, USE, KILL, SYSTEM). Throws
 * QueryRefused, or the parser's error.
 */
export async function readerStatement(
  session: Session,
  text: string,
  parameters: { readonly [name: string]: string },
  functions: EngineFunctions,
): Promise<ReaderStatement> {
  const formatted = await answer(session, `SELECT formatQuerySingleLine(${quotedText(text)})`, {})
  const tokens = statementTokens(formatted)
  if (tokens === null) throw denied('the statement has a form that cannot be checked')
  // INTO OUTFILE is searched before the EXPLAIN below, because an EXPLAIN that contains INTO OUTFILE would write the file.
  if (tokens.some((token, index) => isWord(token, 'into') && isWord(tokens[index + 1], 'outfile')))
    throw readonly('Cannot write a file in readonly mode')
  const tree = await answer(session, `EXPLAIN AST ${formatted}`, parameters)
  const kind = /^\w+/.exec(tree)?.[0] ?? ''
  if (!readingKinds.has(kind)) throw readonly(`Cannot execute ${kind === '' ? 'this query' : kind} in readonly mode`)
  if (/^ *Set$/m.test(tree)) throw readonly('Cannot change settings in readonly mode')
  refuseReaching(tokens, parameters, functions)
  const [keyword, format] = tokens.slice(-2)
  if (tokens.length < 3 || keyword?.kind !== 'word' || keyword.text !== 'FORMAT' || format?.kind !== 'word') return { sql: formatted, format: null }
  return { sql: formatted.slice(0, -`FORMAT ${format.text}`.length).trimEnd(), format: format.text }
}

function refuseReaching(tokens: readonly StatementToken[], parameters: { readonly [name: string]: string }, functions: EngineFunctions): void {
  let namesByParameter = false
  for (const [index, { kind, text }] of tokens.entries()) {
    if (kind === 'text' || kind === 'number') continue
    const next = tokens[index + 1]
    const called = next?.kind === 'operator' && next.text === '('
    if (kind === 'operator') {
      if (text === '}' && called) throw denied('a parameter cannot be the name of a function')
      continue
    }
    const name = text.toLowerCase()
    if (functions.reaching.has(name)) throw denied(`the name \`${text}\` is a function that reaches beyond the tables`)
    if (called && functions.refusedTables.has(name)) throw denied(`the table function \`${text}\` reaches beyond the tables`)
    if (name === 'identifier') namesByParameter = true
  }
  if (!namesByParameter) return
  for (const value of Object.values(parameters)) {
    if (value.includes('\\')) throw denied('beside a parameter that is a name, no parameter may have a backslash')
    for (const [word] of value.matchAll(/\w+/g))
      if (functions.reaching.has(word.toLowerCase())) throw denied(`the name \`${word}\` is a function that reaches beyond the tables`)
  }
}

export function quotedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/**
 * Runs a query, and binds its parameters if it has any. A query without parameters skips the binding, because chDB binds the parameters of one query
 * at a time.
 */
export function bound(session: Session, sql: string, parameters: { readonly [name: string]: string }, format: string): Promise<ChdbResult> {
  return Object.keys(parameters).length === 0 ? session.queryAsync(sql, { format }) : session.queryBindAsync(sql, parameters, { format })
}

async function answer(session: Session, sql: string, parameters: { readonly [name: string]: string }): Promise<string> {
  return (await bound(session, sql, parameters, 'TSVRaw')).text().replace(/\n$/, '')
}

function isWord(token: StatementToken | undefined, word: string): boolean {
  return token?.kind === 'word' && token.text.toLowerCase() === word
}

function denied(why: string): QueryRefused {
  return new QueryRefused(497, 'ACCESS_DENIED', `Not enough privileges: ${why}`)
}

function readonly(message: string): QueryRefused {
  return new QueryRefused(164, 'READONLY', message)
}

/** The first word of EXPLAIN AST's output for each kind of statement that only reads. */
const readingKinds: ReadonlySet<string> = new Set([
  'SelectWithUnionQuery',
  'SelectIntersectExceptQuery',
  'Explain',
  'DescribeQuery',
  'ShowTables',
  'ShowColumns',
  'ShowIndexes',
  'ShowFunctions',
  'ShowCreateTableQuery',
  'ShowCreateViewQuery',
  'ShowCreateDatabaseQuery',
  'ExistsTableQuery',
  'ExistsViewQuery',
  'ExistsDatabaseQuery',
])
