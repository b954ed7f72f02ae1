import { fileURLToPath } from 'node:url'
import { Session } from 'chdb'

export interface Query {
  readonly sql: string
  readonly format: string
  readonly database: string
  readonly parameters: { readonly [name: string]: string }
  /** The settings of one call. They are the URL parameters that the HTTP interface does not use itself. */
  readonly settings: { readonly [name: string]: string }
}

export interface QueryResult {
  readonly bytes: Uint8Array
  readonly format: string
  readonly rowsRead: number
  readonly bytesRead: number
}

/** The connection for Waggle's own statements alone: no query of an outsider uses it. It runs one query at a time. */
export class ChdbQueries {
  readonly #session: Session
  #last: Promise<unknown> = Promise.resolve()

  private constructor(session: Session) {
    this.#session = session
  }

  static async open(directory: string): Promise<ChdbQueries> {
    const queries = new ChdbQueries(new Session(directory, { connectionArgs: engineArguments }))
    await queries.run({ sql: 'SELECT 1', format: 'TabSeparated', database: 'default', parameters: {}, settings: {} })
    return queries
  }

  run(query: Query): Promise<QueryResult> {
    const run = this.#last.then(() => this.#run(query))
    this.#last = run.catch(() => {})
    return run
  }

  async close(): Promise<void> {
    await this.#last
    this.#session.close()
  }

  async #run({ sql, format, database, parameters }: Query): Promise<QueryResult> {
    if (database === 'default') return this.#execute(sql, format, parameters)
    await this.#session.queryAsync(`USE ${quotedName(database)}`)
    try {
      return await this.#execute(sql, format, parameters)
    } finally {
      await this.#session.queryAsync('USE default')
    }
  }

  async #execute(sql: string, format: string, parameters: Query['parameters']): Promise<QueryResult> {
    const hasParameters = Object.keys(parameters).length > 0
    const result = hasParameters ? await this.#session.queryBindAsync(sql, parameters, { format }) : await this.#session.queryAsync(sql, { format })
    return { bytes: result.bytes(), format, rowsRead: result.rowsRead, bytesRead: result.bytesRead }
  }
}

function quotedName(name: string): string {
  return `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``
}

/** Configuration files of the engine: the memory limits, and the rights of the user. */
const engineArguments = [`--config-file=${pathOf('config.xml')}`, `--users_config=${pathOf('users.xml')}`]

function pathOf(file: string): string {
  return fileURLToPath(new URL(`./engine/${file}`, import.meta.url))
}
