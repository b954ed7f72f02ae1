import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { gunzipSync, gzipSync } from 'node:zlib'
import { ownMember } from '../../topology/own-member.ts'
import type { ChdbQueries, Query } from './chdb-queries.ts'

/**
 * ClickHouse's HTTP interface (its documentation, "HTTP Interface"), as far as official clients and curl use it: the query in the URL,
 * the body or both, data for an INSERT behind it, parameters, formats, gzip, exception codes. GET may only read, as there.
 */
export async function answerHttp(queries: ChdbQueries, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  const parameters = url.searchParams
  const queryId = parameters.get('query_id') ?? randomUUID()
  response.setHeader('X-ClickHouse-Query-Id', queryId)
  response.setHeader('X-ClickHouse-Server-Display-Name', 'waggle-embedded')
  try {
    if (url.pathname === '/ping' || url.pathname === '/replicas_status') return void response.end('Ok.\n')
    if (url.pathname !== '/') throw new HttpError(404, 0, `There is no handle ${url.pathname}`)
    if (request.headers.origin !== undefined)
      throw new HttpError(403, 497, 'Code: 497. DB::Exception: Pages of a browser may not ask this server. (ACCESS_DENIED)')
    const sql = sqlOf(parameters.get('query') ?? '', await readBody(request))
    if (sql.trim() === '') return void response.end('Ok.\n')
    const reads = readsOnly(sql)
    if (request.method === 'GET' && !reads) {
      throw new HttpError(
        500,
        164,
        'Code: 164. DB::Exception: Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries. (READONLY)',
      )
    }
    const format = formatOf(sql) ?? parameters.get('default_format') ?? headerOf(request, 'x-clickhouse-format') ?? 'TabSeparated'
    const query: Query = {
      sql: withSettings(sql, settingsOf(parameters), reads),
      format,
      database: parameters.get('database') ?? headerOf(request, 'x-clickhouse-database') ?? 'default',
      parameters: Object.fromEntries([...parameters].flatMap(([name, value]) => (name.startsWith('param_') ? [[name.slice(6), value]] : []))),
    }
    const { bytes, rowsRead, bytesRead } = await queries.run(query)
    response.setHeader('X-ClickHouse-Format', format)
    response.setHeader('Content-Type', ownMember(contentTypes, format) ?? 'text/plain; charset=UTF-8')
    response.setHeader(
      'X-ClickHouse-Summary',
      JSON.stringify({ read_rows: String(rowsRead), read_bytes: String(bytesRead), written_rows: '0', written_bytes: '0', result_rows: '0' }),
    )
    send(response, 200, bytes, wantsGzip(request, parameters))
  } catch (error) {
    const { status, code, message } = httpErrorOf(error)
    if (response.headersSent) return void response.destroy()
    if (code > 0) response.setHeader('X-ClickHouse-Exception-Code', String(code))
    response.setHeader('Content-Type', 'text/plain; charset=UTF-8')
    // What is left of a body that was too large is not read.
    if (!request.complete) response.setHeader('Connection', 'close')
    send(response, status, Buffer.from(`${message}\n`), false)
  }
}

class HttpError extends Error {
  readonly status: number
  readonly code: number

  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    length += chunk.length
    if (length > maxBodyBytes)
      throw new HttpError(
        413,
        307,
        `Code: 307. DB::Exception: The body has more than ${maxBodyBytes} bytes; insert in smaller blocks. (TOO_MANY_BYTES)`,
      )
  }
  const body = Buffer.concat(chunks)
  if (body.length === 0) return ''
  const encoding = headerOf(request, 'content-encoding') ?? 'identity'
  if (encoding === 'gzip') return gunzipSync(body, { maxOutputLength: maxBodyBytes }).toString()
  if (encoding === 'identity') return body.toString()
  throw new HttpError(500, 432, `Code: 432. DB::Exception: Unknown compression method: ${encoding}. Use gzip. (UNKNOWN_COMPRESSION_METHOD)`)
}

function sqlOf(query: string, body: string): string {
  if (query === '') return body
  return body === '' ? query : `${query}\n${body}`
}

function readsOnly(sql: string): boolean {
  return (
    /^\s*(?:--[^\n]*\n\s*|\/\*[\s\S]*?\*\/\s*)*\(*\s*(select|with|show|describe|desc|explain|exists)\b/i.test(sql) && !/\binto\s+outfile\b/i.test(sql)
  )
}

function formatOf(sql: string): string | null {
  if (/^\s*insert\b/i.test(sql)) return null
  return /\bformat\s+([A-Za-z0-9_]+)\s*;?\s*(?:settings\b[\s\S]*)?$/i.exec(sql)?.[1] ?? null
}

/** Everything in the URL that is no parameter of the interface itself is a setting of the query. */
function settingsOf(parameters: URLSearchParams): string {
  return [...parameters]
    .filter(([name]) => !interfaceParameters.has(name) && !name.startsWith('param_') && /^[a-z][a-z0-9_]*$/.test(name))
    .map(([name, value]) => `${name}=${/^-?\d+(\.\d+)?$/.test(value) && !name.endsWith('token') ? value : quotedText(value)}`)
    .join(', ')
}

/** Settings stand before FORMAT in an INSERT and at the end of a SELECT; nothing else takes them here. */
function withSettings(sql: string, settings: string, reads: boolean): string {
  if (settings === '') return sql
  if (/^\s*insert\b/i.test(sql)) {
    const place = /\b(?:format\s+[A-Za-z]\w*|values\b)/i.exec(sql)
    return place === null ? sql : `${sql.slice(0, place.index)}SETTINGS ${settings} ${sql.slice(place.index)}`
  }
  return reads && /^\s*(select|with)\b/i.test(sql) && !/\bsettings\b/i.test(sql) ? `${sql.trimEnd().replace(/;$/, '')} SETTINGS ${settings}` : sql
}

function quotedText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

function httpErrorOf(error: unknown): { readonly status: number; readonly code: number; readonly message: string } {
  if (error instanceof HttpError) return error
  const message = error instanceof Error ? error.message : String(error)
  const code = Number(/Code: (\d+)/.exec(message)?.[1] ?? 0)
  return { status: code === 60 || code === 81 ? 404 : badRequests.has(code) ? 400 : 500, code, message }
}

function send(response: ServerResponse, status: number, bytes: Uint8Array, gzip: boolean): void {
  const body = gzip ? gzipSync(bytes, { level: 1 }) : bytes
  if (gzip) response.setHeader('Content-Encoding', 'gzip')
  response.setHeader('Content-Length', String(body.length))
  response.writeHead(status)
  response.end(body)
}

function wantsGzip(request: IncomingMessage, parameters: URLSearchParams): boolean {
  return parameters.get('enable_http_compression') === '1' && /\bgzip\b/.test(headerOf(request, 'accept-encoding') ?? '')
}

function headerOf(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name]
  return typeof value === 'string' ? value : null
}

const maxBodyBytes = 256 * 1024 * 1024

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

/** Syntax, unknown names and types: the query is wrong, not the server. */
const badRequests: ReadonlySet<number> = new Set([6, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 50, 53, 62, 70, 72, 117, 353, 386, 456])

const contentTypes: { readonly [format: string]: string } = {
  JSON: 'application/json; charset=UTF-8',
  JSONCompact: 'application/json; charset=UTF-8',
  JSONStrings: 'application/json; charset=UTF-8',
  JSONEachRow: 'application/x-ndjson; charset=UTF-8',
  JSONCompactEachRow: 'application/x-ndjson; charset=UTF-8',
  TabSeparated: 'text/tab-separated-values; charset=UTF-8',
  CSV: 'text/csv; charset=UTF-8; header=absent',
  CSVWithNames: 'text/csv; charset=UTF-8; header=present',
  Parquet: 'application/octet-stream',
  Native: 'application/octet-stream',
}
