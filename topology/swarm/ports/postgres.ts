import type { Secret } from '../secrets/secret.ts'

/** PostgreSQL servers. */
export interface Postgres {
  /** Returns a database without connecting to it yet. Throws WAGGLE_POSTGRES_ADDRESS for a text that is no address of a database. */
  open(options: PostgresOptions): OpenPostgres
}

export interface PostgresOptions {
  /** `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with the parameters of libpq, such as `sslmode`. */
  readonly db: string | Secret
  /** The most connections at once. */
  readonly connections: number
  /** The server ends a statement after this time. */
  readonly statementMs: number
  /** The name of these connections in the server's list, `pg_stat_activity`. */
  readonly application: string
}

/**
 * A database, with connections that open when they are needed. Each method throws WAGGLE_POSTGRES_AWAY if the server takes no connections, and
 * WAGGLE_POSTGRES_REFUSED if it does not let this process in. For a statement that fails, each method throws WAGGLE_POSTGRES_QUERY.
 */
export interface OpenPostgres {
  /** Lets the server parse a statement without running it. With `signal` the method tries again for ten seconds while the server does not answer. */
  describe(statement: Statement, signal?: AbortSignal): Promise<DescribedStatement>
  /** Creates the table that remembers which requests have been written. Returns false if the role may not create it. */
  makeWriteTable(): Promise<boolean>
  /**
   * Runs a statement, and tries again for ten seconds while the server does not answer. Throws `Refused` if the server says that a value does not fit
   * its type.
   */
  run(call: StatementCall): Promise<readonly ResultRow[]>
  close(): Promise<void>
}

export interface Statement {
  /** SQL with `$1`, `$2` and so on. */
  readonly text: string
  /** The names of the parameters, for errors. The first name is that of `$1`. */
  readonly parameters: readonly string[]
  /**
   * The place of a character of `text` in the query as its author wrote it, as `line 1, column 5`. Line and column are counted from the beginning of
   * the query.
   */
  lineAndColumnOf(character: number): string
}

export interface DescribedStatement {
  /** The types of the parameters, as SQL writes them: `integer`, `text[]`. */
  readonly parameters: readonly string[]
  readonly columns: readonly { readonly name: string; readonly type: string }[]
}

export interface StatementCall {
  readonly statement: Statement
  /** Values as PostgreSQL reads them from a text. */
  readonly values: readonly StatementValue[]
  readonly signal: AbortSignal
  /** The most rows of a result. */
  readonly maxRows: number
  /**
   * `read`: the statement changes nothing, so it may run again. `once`: the statement runs once for this request, even if `run` is called again.
   * `any`: it may run again.
   */
  readonly effect: 'read' | 'any' | { readonly once: WriteIdentity }
}

export type StatementValue = string | Uint8Array | null

/** The identity of one write. */
export interface WriteIdentity {
  readonly swarm: string
  readonly bee: string
  /** The id of the request. In a loop it contains the round too. */
  readonly requestId: string
}

/** One row of a result: the values by column, as JSON represents them. */
export type ResultRow = { readonly [column: string]: unknown }
