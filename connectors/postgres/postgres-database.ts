import pg from 'pg'
import type { Clock } from '../../processor/ports.ts'
import type {
  DescribedStatement,
  OpenPostgres,
  Postgres,
  PostgresOptions,
  ResultRow,
  Statement,
  StatementCall,
  WriteIdentity,
} from '../../topology/swarm/ports/postgres.ts'
import { revealed } from '../../topology/swarm/secrets/secret.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { pause } from '../system/pause.ts'
import { BoundedQuery } from './bounded-query.ts'
import { ConnectionSlots } from './connection-slots.ts'
import { isAway, isConflict, isStalePlan, postgresError } from './postgres-error.ts'
import type { PostgresHosts } from './postgres-hosts.ts'
import { StatementDescription } from './statement-description.ts'
import { deleteOldWrites, makeWriteTable, rememberedWrite, rememberResult } from './write-table.ts'

interface PostgresServersOptions {
  readonly clock: Clock
  readonly hosts: PostgresHosts
}

/** Connects to PostgreSQL with `pg`, but only to servers that a list allows, and only at addresses that their names may have. */
export class PostgresServers implements Postgres {
  readonly #options: PostgresServersOptions

  constructor(options: PostgresServersOptions) {
    this.#options = options
  }

  open(options: PostgresOptions): OpenPostgres {
    return new PostgresDatabase(options, this.#options)
  }
}

class PostgresDatabase implements OpenPostgres {
  readonly #pool: pg.Pool
  /**
   * Limits the calls that ask the pool. The pool would count the wait in its own queue as time to connect, so a call asks the pool only when a
   * connection is free.
   */
  readonly #slots: ConnectionSlots
  readonly #clock: Clock
  /** The name of the database for errors, without its password. */
  readonly #shown: string
  #writes = 0

  constructor({ db, connections, statementMs, application }: PostgresOptions, { clock, hosts }: PostgresServersOptions) {
    this.#clock = clock
    this.#slots = new ConnectionSlots(connections)
    const connectionString = revealed(db)
    let server: { readonly host: string; readonly port: number }
    try {
      if (!/^postgres(ql)?:\/\//.test(connectionString)) throw new TypeError('it does not begin with postgres://')
      this.#pool = new pg.Pool({
        connectionString,
        max: connections,
        connectionTimeoutMillis: connectMs,
        idleTimeoutMillis: idleMs,
        keepAlive: true,
        statement_timeout: statementMs,
        idle_in_transaction_session_timeout: statementMs,
        application_name: application,
        allowExitOnIdle: true,
        stream: () => hosts.socket(),
      })
      const { host, port, database } = new pg.Client({ connectionString })
      server = { host, port }
      this.#shown = `PostgreSQL ${database} on ${host.startsWith('/') ? host : `${host}:${port}`}`
    } catch {
      // The text may contain the password. So the cause, which quotes the text, is left out of the error.
      throw new WaggleError('WAGGLE_POSTGRES_ADDRESS', {
        message: 'db is not the address of a PostgreSQL database',
        next: 'Write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with the password in a secret; encode special characters of a user or password (@ is %40).',
      })
    }
    hosts.check(server.host, server.port)
    // A connection broke while no call used it. The pool opens another connection when a call needs it.
    this.#pool.on('error', () => {})
    // The pool listens only to idle connections. A lent connection that breaks between two statements of its call also emits an error, which would
    // end the process. The next statement of the call fails, so the call learns of the break.
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  describe(statement: Statement, signal?: AbortSignal): Promise<DescribedStatement> {
    const describe = () =>
      this.#withClient(
        statement,
        async (client) => {
          const description = await described(client, statement.text)
          const types = await typeNames(client, [...description.parameters, ...description.columns.map(({ dataTypeID }) => dataTypeID)])
          return {
            parameters: types.slice(0, description.parameters.length),
            columns: description.columns.map(({ name }, at) => ({ name, type: types[description.parameters.length + at] ?? 'unknown' })),
          }
        },
        signal,
      )
    return signal === undefined ? describe() : this.#untilThere(signal, describe, isAway)
  }

  async makeWriteTable(): Promise<boolean> {
    return this.#withClient(null, async (client) => {
      const isMade = await makeWriteTable(client)
      if (isMade) await deleteOldWrites(client)
      return isMade
    })
  }

  run(call: StatementCall): Promise<readonly ResultRow[]> {
    const { signal, effect, statement } = call
    let isSent = false
    const attempt = () =>
      this.#withClient(
        statement,
        (client) => {
          isSent = true
          return typeof effect === 'string' ? this.#runPlain(client, call) : this.#runOnce(client, call, effect.once)
        },
        signal,
      )
    // After a conflict, or with a stale plan, the server has changed nothing, so every statement may be repeated. If a connection broke, the
    // statement may or may not have run.
    const mayRepeat = (thrown: unknown) =>
      isConflict(causeOf(thrown)) || isStalePlan(causeOf(thrown)) || (isAway(thrown) && (effect !== 'any' || !isSent))
    return this.#untilThere(signal, attempt, mayRepeat)
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  /** Retries temporary errors, with growing pauses, for at most ten seconds. */
  async #untilThere<T>(signal: AbortSignal, act: () => Promise<T>, mayRepeat: (thrown: unknown) => boolean): Promise<T> {
    const startedMs = this.#clock.elapsedMs()
    for (let attempt = 0; ; attempt++) {
      try {
        return await act()
      } catch (thrown) {
        if (signal.aborted) throw signal.reason
        const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** attempt)
        if (!mayRepeat(thrown) || this.#clock.elapsedMs() - startedMs + waitMs > triesForMs) throw thrown
        await pause(this.#clock, waitMs, signal)
      }
    }
  }

  async #runPlain(client: pg.PoolClient, { statement, values, maxRows }: StatementCall): Promise<readonly ResultRow[]> {
    const query = new BoundedQuery({ text: statement.text, values: values.map(driverValue), maxRows })
    const rows = await query.run(client)
    if (!query.isCut) return rows
    throw new WaggleError('WAGGLE_POSTGRES_QUERY', {
      message: `the query has more than ${maxRows} rows as its result`,
      next: 'Add a LIMIT to spec.query, or raise spec.max_rows.',
    })
  }

  /**
   * Runs the statement and remembers its rows in one transaction. If the same request has already written, its remembered rows are returned instead.
   */
  async #runOnce(client: pg.PoolClient, call: StatementCall, identity: WriteIdentity): Promise<readonly ResultRow[]> {
    await client.query('BEGIN')
    try {
      const remembered = await rememberedWrite(client, identity)
      const rows = remembered ?? (await this.#runPlain(client, call))
      if (remembered === null && rows.length > 0) await rememberResult(client, identity, rows)
      await client.query('COMMIT')
      if (++this.#writes % writesBetweenDeletions === 0) await deleteOldWrites(client)
      return rows
    } catch (thrown) {
      // On a broken connection the ROLLBACK fails, but the server rolls back by itself.
      await client.query('ROLLBACK').catch(() => {})
      throw thrown
    }
  }

  /**
   * Lends a connection to `act`. The connection is closed after an abort, and after an error of the connection. The server's own time limit ends an
   * aborted statement.
   */
  async #withClient<T>(statement: Statement | null, act: (client: pg.PoolClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#slots.take(signal)
    let client: pg.PoolClient | null = null
    let isBroken = false
    let cancel = () => {}
    try {
      client = await this.#pool.connect()
      const lent = client
      signal?.throwIfAborted()
      const aborted = new Promise<never>((_, reject) => {
        const onAbort = () => {
          isBroken = true
          reject(signal?.reason)
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        cancel = () => signal?.removeEventListener('abort', onAbort)
      })
      return await (signal === undefined ? act(lent) : Promise.race([act(lent), aborted]))
    } catch (thrown) {
      isBroken ||= isAway(thrown) || isStalePlan(thrown) || !(thrown instanceof WaggleError || thrown instanceof pg.DatabaseError)
      if (signal?.aborted === true) throw thrown
      throw postgresError(thrown, { shown: this.#shown, statement })
    } finally {
      cancel()
      client?.release(isBroken)
      this.#slots.release()
    }
  }
}

async function described(client: pg.PoolClient, text: string): Promise<StatementDescription> {
  return new Promise((resolve, reject) => {
    const description = new StatementDescription(text, (error) => (error === null ? resolve(description) : reject(error)))
    client.query(description)
  })
}

/** The names of types, in the form in which SQL writes them. */
async function typeNames(client: pg.PoolClient, oids: readonly number[]): Promise<readonly string[]> {
  const text = 'SELECT format_type(oid, NULL) AS name FROM unnest($1::oid[]) WITH ORDINALITY AS types (oid, at) ORDER BY at'
  const { rows } = await client.query<{ readonly name: string }>(text, [oids])
  return rows.map(({ name }) => name)
}

function driverValue(value: StatementCall['values'][number]): string | Buffer | null {
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof WaggleError ? thrown.cause : thrown
}

const connectMs = 5000
const idleMs = 30_000
const triesForMs = 10_000
const firstWaitMs = 100
const longestWaitMs = 2000
const writesBetweenDeletions = 10_000
