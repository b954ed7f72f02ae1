import { randomUUID } from 'node:crypto'
import { type ClickHouseClient, ClickHouseError } from '@clickhouse/client'
import type { Clock, Random } from '../../processor/ports.ts'
import type { PredictionRow, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { journalStatement, journalTable, type TableMigration, tableMigrations } from './table-migrations.ts'

export interface ClickHouseTableOptions {
  readonly client: ClickHouseClient
  /** The database that the table's name gives. Null: the client's default database. */
  readonly database: string | null
  readonly name: string
  readonly log: TableOptions['log']
  readonly clock: Clock
  readonly random: Random
}

/**
 * A table of predictions. Rows are in `<name>_rows`, a ReplacingMergeTree ordered by the prediction's identity. `<name>` is a view of it with FINAL,
 * so a row that is written twice counts once. `table-migrations.ts` creates the other views and the columns for questions. While the server is
 * unreachable, inserts are retried and later records wait in the log.
 */
export class ClickHouseTable implements PredictionTable {
  readonly #options: ClickHouseTableOptions
  readonly #rows: string
  #isOpen = false
  #isAway = false

  constructor(options: ClickHouseTableOptions) {
    this.#options = options
    this.#rows = `${options.name}_rows`
  }

  /** Opens the table now, or at the first insert if the server is unreachable. Throws WAGGLE_TABLE_MISMATCH. */
  async tryToOpen(): Promise<void> {
    try {
      await this.#open()
    } catch (error) {
      if (!isTemporary(error)) throw databaseError(error)
      this.#options.log('warn', `ClickHouse is away (${said(error)}): predictions wait in the log until it is there`)
      this.#isAway = true
    }
  }

  /** Inserts these rows by one request. The bee `save-to-database` gathers rows into batches before it calls `insert`. */
  async insert(rows: readonly PredictionRow[], signal: AbortSignal): Promise<void> {
    const values = rows.map((row) => ({ ...row, offset: String(row.offset), predicted_at: (row.predicted_at / 1000).toFixed(3) }))
    for (let attempt = 0; ; attempt++) {
      if (signal.aborted)
        throw new WaggleError('WAGGLE_CLICKHOUSE', {
          message: 'The insert was given up because Waggle stops',
          next: 'Nothing: the next start does the insert again.',
        })
      try {
        if (!this.#isOpen) await this.#open()
        await this.#options.client.insert({
          table: this.#place(this.#rows),
          values,
          format: 'JSONEachRow',
          // Each attempt has a new token, because the server drops a block whose token it knows, even if it has lost the rows of that block. A row
          // that is written twice counts once.
          clickhouse_settings: { insert_deduplication_token: randomUUID() },
        })
        if (this.#isAway) this.#options.log('info', 'ClickHouse is back')
        this.#isAway = false
        return
      } catch (error) {
        if (codeOf(error) === unknownTable) this.#isOpen = false
        else if (!isTemporary(error) && this.#isOpen) throw databaseError(error)
        if (!this.#isAway) this.#options.log('warn', `ClickHouse does not take predictions (${said(error)}); trying again until it does`)
        this.#isAway = true
        await this.#backOff(attempt, signal)
      }
    }
  }

  async close(): Promise<void> {}

  async #open(): Promise<void> {
    const { client, database } = this.#options
    await this.#refuseOldServer()
    if (database !== null) await client.command({ query: `CREATE DATABASE IF NOT EXISTS \`${database}\`` })
    const there = await this.#refuseOther()
    await client.command({ query: journalStatement(this.#place(journalTable)) })
    for (const migration of await this.#missingMigrations(there)) await this.#migrate(migration, there)
    this.#isOpen = true
  }

  /** Checks the server's version before any other statement. The error of a server that is too old looks like the error of an unreachable server. */
  async #refuseOldServer(): Promise<void> {
    const found = await this.#options.client.query({ query: 'SELECT version() AS version', format: 'JSONEachRow' })
    const [{ version = '' } = {}] = await found.json<{ version?: string }>()
    const [year = Number.NaN, month = Number.NaN] = version.split('.').map(Number)
    if (!(year < oldestServer[0] || (year === oldestServer[0] && month < oldestServer[1]))) return
    throw new WaggleError('WAGGLE_CLICKHOUSE', {
      message: `The ClickHouse server is ${version}, and its tables cannot hold predictions`,
      next: `Set CLICKHOUSE_URL to a server of ${oldestServer.join('.')} or later, or remove CLICKHOUSE_URL: Waggle then starts a ClickHouse of its own.`,
    })
  }

  /** The migrations that have not run for this table, in order. If the table has lost its rows or its view, all migrations run again. */
  async #missingMigrations(there: ReadonlyMap<string, TableKind>): Promise<readonly TableMigration[]> {
    const { client, name } = this.#options
    if (!there.has(this.#rows) || !there.has(name)) return migrations
    const found = await client.query({
      query: `SELECT DISTINCT version FROM ${this.#place(journalTable)} WHERE table_name = '${name}'`,
      format: 'JSONEachRow',
    })
    const done = new Set((await found.json<{ version: number }>()).map(({ version }) => version))
    return migrations.filter(({ version }) => !done.has(version))
  }

  /**
   * Runs one migration and records it in the journal. If the server refuses a migration that the sink does not need, the migration is skipped with a
   * warning.
   */
  async #migrate({ version, name, isNeeded, view, statement }: TableMigration, there: ReadonlyMap<string, TableKind>): Promise<void> {
    const { client, name: table, log, clock } = this.#options
    const leftOut = (why: string) =>
      log('warn', `The ${name} of the table ${table} is left out: ${why}. The next start tries again. The table itself is not affected.`)
    const known = view === null ? undefined : there.get(`${table}_${view}`)
    if (known !== undefined && known.engine !== 'View') {
      leftOut(`${known.name} is a table (${known.engine}), and has the name of the view`)
      return
    }
    try {
      await client.command({ query: statement((ending) => this.#place(ending === '' ? table : `${table}_${ending}`)) })
    } catch (error) {
      if (isNeeded || isTemporary(error)) throw error
      leftOut(said(error))
      return
    }
    const values = [{ table_name: table, version, name, applied_at: (clock.now() / 1000).toFixed(3) }]
    await client.insert({ table: this.#place(journalTable), values, format: 'JSONEachRow' })
  }

  /** Throws WAGGLE_TABLE_MISMATCH if the existing table has other columns, or would count a repeated row twice. Returns the objects that exist. */
  async #refuseOther(): Promise<ReadonlyMap<string, TableKind>> {
    await this.#refuseColumns()
    return this.#refuseKinds()
  }

  async #refuseKinds(): Promise<ReadonlyMap<string, TableKind>> {
    const { client, name, database } = this.#options
    const names = [this.#rows, name, ...migrations.flatMap(({ view }) => (view === null ? [] : [`${name}_${view}`]))]
    const found = await client.query({
      query: `SELECT name, engine, sorting_key, as_select FROM system.tables WHERE database = ${database === null ? 'currentDatabase()' : `'${database}'`} AND name IN (${names.map((one) => `'${one}'`).join(', ')})`,
      format: 'JSONEachRow',
    })
    const kinds = new Map((await found.json<TableKind>()).map((kind) => [kind.name, kind]))
    for (const own of [this.#rows, name]) {
      const table = kinds.get(own)
      if (table === undefined) continue
      const wrong = table.name === name ? wrongView(table, this.#rows) : wrongRows(table)
      if (wrong === null) continue
      throw new WaggleError('WAGGLE_TABLE_MISMATCH', {
        message: `${wrong}: a repeated row would count twice`,
        next: `Give spec.table another name, or rename ${table.name}: Waggle then makes a table of its own.`,
      })
    }
    return kinds
  }

  async #refuseColumns(): Promise<void> {
    const { client, name, database } = this.#options
    // Names contain only letters, digits and "_", so they need no query parameters. A query with parameters would wait for other queries with
    // parameters, because chDB binds the parameters of one query at a time.
    const found = await client.query({
      query: `SELECT table, name, type FROM system.columns WHERE database = ${database === null ? 'currentDatabase()' : `'${database}'`} AND table IN ('${this.#rows}', '${name}')`,
      format: 'JSONEachRow',
    })
    const there = await found.json<{ table: string; name: string; type: string }>()
    for (const table of [this.#rows, name]) {
      const types = new Map(there.filter((column) => column.table === table).map((column) => [column.name, column.type]))
      if (types.size === 0) continue
      for (const [column, type] of columns) {
        if (types.get(column) === type) continue
        const has = types.get(column)
        throw new WaggleError('WAGGLE_TABLE_MISMATCH', {
          message: `The table ${table} has ${has === undefined ? `no column ${column}` : `a column ${column} of ${has}`}, where ${type} is needed`,
          next: 'Give spec.table another name, or rename that table.',
        })
      }
    }
  }

  #place(table: string): string {
    const { database } = this.#options
    return database === null ? `\`${table}\`` : `\`${database}\`.\`${table}\``
  }

  #backOff(attempt: number, signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options
    const longest = Math.min(maxBackOffMs, firstBackOffMs * 2 ** attempt)
    return new Promise((resolve) => {
      const cancel = clock.after(longest * (0.5 + random.next() / 2), done)
      function done(): void {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      signal.addEventListener('abort', done)
    })
  }
}

/**
 * Settings for many small blocks. By default, the source parts of a merge stay in memory and on the disk for eight minutes. If the merged part is
 * synced, its source parts are deleted after five seconds.
 */
const tableSettings = `non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
          min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 5, concurrent_part_removal_threshold = 100000`

const columns: readonly (readonly [name: keyof PredictionRow, type: string])[] = [
  ['swarm', 'String'],
  ['bee', 'String'],
  ['request_id', 'String'],
  ['model', 'String'],
  ['label', 'String'],
  ['score', 'Float64'],
  ['scores', 'Map(String, Float64)'],
  ['payload', 'String'],
  ['latency_ms', 'Float64'],
  ['batch_size', 'UInt32'],
  ['predicted_at', 'DateTime64(3)'],
  ['topic', 'String'],
  ['partition', 'Int32'],
  ['offset', 'Int64'],
]

interface TableKind {
  readonly name: string
  readonly engine: string
  readonly sorting_key: string
  readonly as_select: string
}

function wrongView({ name, engine, as_select }: TableKind, rows: string): string | null {
  if (engine !== 'View') return `${name} is a table (${engine}), where a view of ${rows} with FINAL is needed`
  const isOfRows = new RegExp(`\\bFROM\\s+\\S*\\b${rows}\\b\\W*\\s+FINAL\\b`).test(as_select)
  return isOfRows ? null : `The view ${name} is not one of ${rows} with FINAL`
}

/** The reason why a table cannot hold the rows; null for a fitting table. Replicated and shared variants of the engine are accepted. */
function wrongRows({ name, engine, sorting_key }: TableKind): string | null {
  if (!engine.endsWith('ReplacingMergeTree')) return `The table ${name} is a ${engine}, where a ReplacingMergeTree is needed`
  return sorting_key === identity ? null : `The table ${name} is ordered by (${sorting_key}), where (${identity}) is needed`
}

const identity = 'swarm, bee, request_id'

const migrations = tableMigrations({ columns, settings: tableSettings, identity })

/**
 * Year and month of the first ClickHouse release that has all types and settings of the table: maps, times in milliseconds, and deduplication tokens
 * of inserts.
 */
const oldestServer: readonly [year: number, month: number] = [22, 3]

/** Errors of the server's state, not of the query: overloaded, restarting, out of memory, read only. */
const temporaryCodes: ReadonlySet<number> = new Set([
  3, 74, 75, 76, 159, 164, 173, 202, 203, 209, 210, 218, 241, 242, 243, 252, 279, 285, 319, 394, 425, 473, 499, 999,
])
const unknownTable = 60

function isTemporary(error: unknown): boolean {
  if (error instanceof WaggleError) return false
  const code = codeOf(error)
  return code === null || temporaryCodes.has(code)
}

/** ClickHouse's error code; null if no response came. */
function codeOf(error: unknown): number | null {
  return error instanceof ClickHouseError ? Number(error.code) : null
}

function said(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string }
  const text = message === undefined || message === '' ? (code ?? String(error)) : message
  return text.split('\n', 1)[0]?.slice(0, 300) ?? ''
}

function databaseError(error: unknown): WaggleError {
  return WaggleError.from('WAGGLE_CLICKHOUSE', error, {
    message: 'ClickHouse refuses',
    next: 'Correct the cause that ClickHouse names. The log of a server that is not embedded may say more.',
  })
}

const firstBackOffMs = 50
const maxBackOffMs = 10_000
