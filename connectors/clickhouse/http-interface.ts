import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import type { Query, QueryResult } from './chdb-queries.ts'
import { QueryRefused } from './query-refused.ts'
import { quotedText } from './reader-statement.ts'

/** Runs the queries that arrive at one listener. */
export interface HttpQueries {
  /** Runs a query. `signal` aborts when the client disconnects. */
  run(query: Query, signal: AbortSignal): Promise<QueryResult>
  /** The size limit of a body, after decompression. */
  readonly maxBodyBytes: number
  /** True: the settings of a call are written into its INSERT or SELECT. False: `run` applies them. */
  readonly writesSettings: boolean
}

/**
 * Implements the part of ClickHouse's HTTP interface (see its documentation, "HTTP Interface") that official clients and curl use. The query text is
 * in the URL, in the body or in both. Parameters, formats, gzip and exception codes are supported.
 */
export async function answerHttp(queries: HttpQueries, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const left = new AbortController()
  response.on('close', () => {
    if (!response.writableFinished) left.abort()
  })
  response.setHeader('X-ClickHouse-Server-Display-Name', 'waggle-embedded')
  try {
    const url = urlOf(request)
    const parameters = url.searchParams
    response.setHeader('X-ClickHouse-Query-Id', queryIdOf(parameters))
    if (request.method !== 'GET' && request.method !== 'POST')
      throw new QueryRefused(0, 'METHOD_NOT_ALLOWED', `Use GET or POST, not ${request.method}`, 405)
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') return void response.end('Ok.\n')
    if (url.pathname !== '/') throw new QueryRefused(0, 'NOT_FOUND', `There is no handle ${url.pathname}`, 404)
    const sql = sqlOf(parameters.get('query') ?? '', await readBody(request, queries.maxBodyBytes))
    if (sql.trim() === '') return void response.end('Ok.\n')
    const settings = settingsOf(parameters)
    const result = await queries.run(
      {
        sql: queries.writesSettings ? withSettings(sql, settings) : sql,
        settings,
        format: wordOf(parameters.get('default_format') ?? headerOf(request, 'x-clickhouse-format') ?? 'TabSeparated'),
        database: parameters.get('database') ?? headerOf(request, 'x-clickhouse-database') ?? 'default',
        parameters: Object.fromEntries(
          [...parameters].flatMap(([name, value]) => (name.startsWith('param_') ? [[wordOf(name.slice('param_'.length)), value]] : [])),
        ),
      },
      left.signal,
    )
    const { bytes, format, rowsRead, bytesRead } = result
    response.setHeader('X-ClickHouse-Format', format)
    response.setHeader('Content-Type', contentTypes.get(format) ?? 'text/plain; charset=UTF-8')
    response.setHeader(
      'X-ClickHouse-Summary',
      JSON.stringify({ read_rows: String(rowsRead), read_bytes: String(bytesRead), written_rows: '0', written_bytes: '0', result_rows: '0' }),
    )
    await send(response, 200, bytes, wantsGzip(request, parameters))
  } catch (error) {
    const { status, code, message } = httpErrorOf(error)
    if (response.headersSent) return void response.destroy()
    if (code > 0) response.setHeader('X-ClickHouse-Exception-Code', String(code))
    response.setHeader('Content-Type', 'text/plain; charset=UTF-8')
    // The connection closes, because the rest of an oversized body is unread.
    if (!request.complete) response.setHeader('Connection', 'close')
    await send(response, status, Buffer.from(`${message}\n`), false)
  }
}

function urlOf(request: IncomingMessage): URL {
  const url = URL.parse(request.url ?? '/', 'http://localhost')
  if (url === null) throw new QueryRefused(0, 'BAD_REQUEST', 'The address of the request is none', 400)
  return url
}

function queryIdOf(parameters: URLSearchParams): string {
  const given = parameters.get('query_id') ?? ''
  return /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID()
}

function wordOf(text: string): string {
  if (/^\w{1,128}$/.test(text)) return text
  throw new QueryRefused(36, 'BAD_ARGUMENTS', 'A format or the name of a parameter is a word of letters, digits and "_"', 400)
}

async function readBody(request: IncomingMessage, maxBodyBytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxBodyBytes) throw new QueryRefused(307, 'TOO_MANY_BYTES', `The body has more than ${maxBodyBytes} bytes`, 413)
  }
  const body = Buffer.concat(chunks)
  if (body.length === 0) return ''
  const encoding = headerOf(request, 'content-encoding') ?? 'identity'
  if (encoding === 'gzip') return unzipped(body, maxBodyBytes)
  if (encoding === 'identity') return body.toString()
  throw new QueryRefused(432, 'UNKNOWN_COMPRESSION_METHOD', `Unknown compression method: ${encoding}. Use gzip`)
}

function unzipped(body: Buffer, maxBodyBytes: number): string {
  try {
    return gunzipSync(body, { maxOutputLength: maxBodyBytes }).toString()
  } catch (error) {
    throw new QueryRefused(354, 'CANNOT_DECOMPRESS', error instanceof Error ? error.message : String(error), 400)
  }
}

function sqlOf(query: string, body: string): string {
  if (query === '') return body
  return body === '' ? query : `${query}\n${body}`
}

function settingsOf(parameters: URLSearchParams): { readonly [name: string]: string } {
  return Object.fromEntries(
    [...parameters].filter(([name]) => !interfaceParameters.has(name) && !name.startsWith('param_') && /^[a-z][a-z0-9_]{0,127}$/.test(name)),
  )
}

/** Writes settings into a statement of Waggle: before FORMAT in an INSERT, at the end of a SELECT. */
function withSettings(sql: string, settings: Query['settings']): string {
  const list = Object.entries(settings)
    .map(([name, value]) => `${name}=${/^-?\d+(\.\d+)?$/.test(value) && !name.endsWith('token') ? value : quotedText(value)}`)
    .join(', ')
  if (list === '') return sql
  if (/^\s*insert\b/i.test(sql)) {
    const place = /\b(?:format\s+[A-Za-z]\w*|values\b)/i.exec(sql)
    return place === null ? sql : `${sql.slice(0, place.index)}SETTINGS ${list} ${sql.slice(place.index)}`
  }
  return /^\s*select\b/i.test(sql) ? `${sql.trimEnd().replace(/;$/, '')} SETTINGS ${list}` : sql
}

function httpErrorOf(error: unknown): { readonly status: number; readonly code: number; readonly message: string } {
  if (error instanceof QueryRefused) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = Number(/Code: (\d+)/.exec(message)?.[1] ?? 0)
  return { status: code === 60 || code === 81 ? 404 : badRequests.has(code) ? 400 : 500, code, message }
}

async function send(response: ServerResponse, status: number, bytes: Uint8Array, zips: boolean): Promise<void> {
  const body = zips ? await zipped(bytes, { level: 1 }) : bytes
  if (response.destroyed) return
  if (zips) response.setHeader('Content-Encoding', 'gzip')
  response.setHeader('Content-Length', String(body.length))
  response.writeHead(status)
  response.end(body)
}

const zipped = promisify(gzip)

function wantsGzip(request: IncomingMessage, parameters: URLSearchParams): boolean {
  return parameters.get('enable_http_compression') === '1' && /\bgzip\b/.test(headerOf(request, 'accept-encoding') ?? '')
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' ? value : null
}

const interfaceParameters: ReadonlySet<string> = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'session_id',
  'session_timeout',
  'session_check',
  'compress',
  'decompress',
  'enable_http_compression',
  'http_zlib_compression_level',
  'wait_end_of_query',
  'buffer_size',
  'user',
  'password',
  'quota_key',
  'role',
  'send_progress_in_http_headers',
  'http_headers_progress_interval_ms',
  'async_insert',
  'wait_for_async_insert',
  'log_comment',
  'cancel_http_readonly_queries_on_client_close',
])

/** Error codes of an invalid query (syntax, unknown names, types). They get the status 400. */
const badRequests: ReadonlySet<number> = new Set([6, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 50, 53, 62, 70, 72, 117, 353, 386, 456])

const contentTypes: ReadonlyMap<string, string> = new Map([
  ['JSON', 'application/json; charset=UTF-8'],
  ['JSONCompact', 'application/json; charset=UTF-8'],
  ['JSONStrings', 'application/json; charset=UTF-8'],
  ['JSONEachRow', 'application/x-ndjson; charset=UTF-8'],
  ['JSONCompactEachRow', 'application/x-ndjson; charset=UTF-8'],
  ['TabSeparated', 'text/tab-separated-values; charset=UTF-8'],
  ['CSV', 'text/csv; charset=UTF-8; header=absent'],
  ['CSVWithNames', 'text/csv; charset=UTF-8; header=present'],
  ['Parquet', 'application/octet-stream'],
  ['Native', 'application/octet-stream'],
])
