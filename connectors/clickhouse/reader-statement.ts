import type { ChdbResult, Session } from 'chdb'
import { QueryRefused } from './query-refused.ts'

/** One statement that only reads, as ClickHouse itself writes it: no comments, names in one form, text in single quotes. */
export interface ReaderStatement {
  readonly sql: string
  /** From its FORMAT clause; null without one. */
  readonly format: string | null
}

/**
 * ClickHouse's own parser says how many statements a text has and of which kind. `readonly = 1` and the user's grants refuse writes and
 * sources; this check refuses the rest, which chDB does before a query reaches either: INTO OUTFILE, the function file(), SETTINGS inside a
 * subquery, and statements that change the connection or the server (SET, USE, KILL, SYSTEM). Throws QueryRefused, or the parser's error.
 */
export async function readerStatement(session: Session, text: string, parameters: { readonly [name: string]: string }): Promise<ReaderStatement> {
  const formatted = await answer(session, `SELECT formatQuerySingleLine(${quotedText(text)})`, {})
  const tree = await answer(session, `EXPLAIN AST ${formatted}`, parameters)
  const kind = /^\w+/.exec(tree)?.[0] ?? ''
  if (!readingKinds.has(kind)) throw readonly(`Cannot execute ${kind === '' ? 'this query' : kind} in readonly mode`)
  if (/^ *Set$/m.test(tree)) throw readonly('Cannot change settings in readonly mode')
  const format = /\sFORMAT (\w+)$/.exec(formatted)
  const sql = format === null ? formatted : formatted.slice(0, format.index)
  const words = sql.replaceAll(textLiteral, "''")
  if (/\bINTO OUTFILE\b/i.test(words)) throw readonly('Cannot write a file in readonly mode')
  if (/\bfile\b/.test(words) || Object.values(parameters).some((value) => value.trim() === 'file' && /\bIdentifier\b/.test(words)))
    throw new QueryRefused(497, 'ACCESS_DENIED', 'Not enough privileges: the name `file` is the function that reads files of this machine')
  return { sql, format: format?.[1] ?? null }
}

export function quotedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** chDB binds parameters of one query at a time, so a query without any does not wait for those of others. */
export function bound(session: Session, sql: string, parameters: { readonly [name: string]: string }, format: string): Promise<ChdbResult> {
  return Object.keys(parameters).length === 0 ? session.queryAsync(sql, { format }) : session.queryBindAsync(sql, parameters, { format })
}

async function answer(session: Session, sql: string, parameters: { readonly [name: string]: string }): Promise<string> {
  return (await bound(session, sql, parameters, 'TSVRaw')).text().replace(/\n$/, '')
}

function readonly(message: string): QueryRefused {
  return new QueryRefused(164, 'READONLY', message)
}

/** The first word of EXPLAIN AST. */
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

const textLiteral = /'(?:[^'\\]|\\.|'')*'/gs
