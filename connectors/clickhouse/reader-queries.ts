import { Session } from 'chdb'
import type { Query, QueryResult } from './chdb-queries.ts'
import { type EngineFunctions, readEngineFunctions } from './engine-functions.ts'
import { QueryRefused } from './query-refused.ts'
import { bound, quotedText, readerStatement } from './reader-statement.ts'

export interface ReaderQueriesOptions {
  readonly directory: string
  readonly maxSeconds: number
  /**
   * Called when a query has run for one and a half times the limit. Only the end of the process can end such a query, because a query that evaluates
   * constants ignores its cancellation.
   */
  readonly stuck: () => void
}

/**
 * Runs queries of outsiders. Each query gets a new connection, on which `readonly = 1` and the limits are set first. Two queries run at a time, and
 * sixteen wait. Waggle's own writes use another connection, so outsiders never block them.
 */
export class ReaderQueries {
  readonly #options: ReaderQueriesOptions
  /** The connection for cancellations. A connection that runs a query cannot send a cancellation. */
  readonly #canceller: Session
  readonly #functions: EngineFunctions
  readonly #waiting: (() => void)[] = []
  #running = 0
  #count = 0

  private constructor(options: ReaderQueriesOptions, canceller: Session, functions: EngineFunctions) {
    this.#options = options
    this.#canceller = canceller
    this.#functions = functions
  }

  static async open(options: ReaderQueriesOptions): Promise<ReaderQueries> {
    const session = new Session(options.directory, { connectionArgs: [] })
    return new ReaderQueries(options, session, await readEngineFunctions(session))
  }

  /** Runs a query. `signal` aborts when the client disconnects. Throws QueryRefused. */
  async run(query: Query, signal: AbortSignal): Promise<QueryResult> {
    await this.#waitForSlot(signal)
    const name = `waggle-reader-${++this.#count}`
    const session = new Session(this.#options.directory, { connectionArgs: [] })
    const limitMs = this.#options.maxSeconds * 1000
    // The timer continues after the client has disconnected. Until the time limit, the query may only be waiting for the parameters of another query.
    const stuck = setTimeout(this.#options.stuck, limitMs * 1.5)
    let again: NodeJS.Timeout | null = null
    // The cancellation is repeated, because the query may not have begun yet: chDB binds the parameters of one query at a time.
    const cancel = () => {
      again ??= setInterval(cancel, 500)
      void this.#canceller.queryAsync(`KILL QUERY WHERE Settings['log_comment'] = '${name}' ASYNC`).catch(() => {})
    }
    const limit = setTimeout(cancel, limitMs * 1.1)
    signal.addEventListener('abort', cancel)
    try {
      return await this.#run(session, name, query, signal)
    } finally {
      clearTimeout(limit)
      clearTimeout(stuck)
      if (again !== null) clearInterval(again)
      signal.removeEventListener('abort', cancel)
      session.close()
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  close(): void {
    this.#canceller.close()
  }

  async #run(
    session: Session,
    name: string,
    { sql: text, format, database, parameters, settings }: Query,
    signal: AbortSignal,
  ): Promise<QueryResult> {
    const set = (setting: string, value: string) => session.queryAsync(`SET ${setting} = ${value}`)
    if (database !== 'default') await session.queryAsync(`USE \`${database.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``)
    const chosen = Object.entries(settings)
    for (const [setting, value] of chosen) if (formatSettings.test(setting)) await set(setting, quotedText(value))
    for (const [setting, value] of Object.entries(limits)) await set(setting, value)
    await set('max_execution_time', String(this.#options.maxSeconds))
    await set('log_comment', quotedText(name))
    await set('readonly', '1')
    // The engine itself refuses settings that this pattern does not match.
    for (const [setting, value] of chosen) if (!formatSettings.test(setting)) await set(setting, quotedText(value))
    const statement = await readerStatement(session, text, parameters, this.#functions)
    if (signal.aborted) throw left()
    const written = statement.format ?? format
    const result = await bound(session, statement.sql, parameters, written)
    const bytes = result.bytes()
    if (bytes.length > maxResultBytes)
      throw new QueryRefused(396, 'TOO_MANY_ROWS_OR_BYTES', `The answer has more than ${maxResultBytes} bytes: ask for less`)
    return { bytes, format: written, rowsRead: result.rowsRead, bytesRead: result.bytesRead }
  }

  async #waitForSlot(signal: AbortSignal): Promise<void> {
    if (this.#running < maxRunning) {
      this.#running++
      return
    }
    if (this.#waiting.length >= maxWaiting)
      throw new QueryRefused(202, 'TOO_MANY_SIMULTANEOUS_QUERIES', `Too many queries: ${maxRunning} run and ${maxWaiting} wait`, 503)
    await new Promise<void>((resolve, reject) => {
      const go = () => {
        signal.removeEventListener('abort', leave)
        this.#running++
        resolve()
      }
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1)
        reject(left())
      }
      this.#waiting.push(go)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}

function left(): QueryRefused {
  return new QueryRefused(394, 'QUERY_WAS_CANCELLED', 'The client left')
}

const maxRunning = 2
const maxWaiting = 16
/** The size limit of a formatted result. The engine's own limit counts the bytes before they are formatted. */
const maxResultBytes = 64 * 1024 * 1024

/** Values in the form that SET takes, by setting. */
const limits: { readonly [setting: string]: string } = {
  timeout_before_checking_execution_speed: '0',
  max_memory_usage: String(256 * 1024 * 1024),
  max_threads: '1',
  max_result_rows: '1000000',
  max_result_bytes: String(maxResultBytes),
  result_overflow_mode: "'throw'",
  max_bytes_before_external_group_by: '0',
  max_bytes_before_external_sort: '0',
  max_temporary_data_on_disk_size_for_query: '1',
  max_query_size: '1048576',
  use_query_cache: '0',
  allow_introspection_functions: '0',
  allow_ddl: '0',
  // The format Values would evaluate text as an expression, as in `format(Values, '(file(…))')`.
  input_format_values_interpret_expressions: '0',
  max_ast_elements: '10000',
  max_expanded_ast_elements: '50000',
}

/**
 * The allowed settings of output formats, by family. Other settings are refused, because some of them write files, such as `output_format_schema`.
 */
const formatSettings =
  /^(?:date_time_output_format|output_format_(?:json|csv|tsv|pretty|write|decimal|bool)_[a-z0-9_]+|output_format_write_statistics)$/
