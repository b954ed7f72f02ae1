import { Agent, type AgentOptions } from 'node:http'
import { basename } from 'node:path'
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { Clock, Random } from '../../processor/ports.ts'
import { tableNameOf } from '../../topology/swarm/check/table-name.ts'
import type { Database, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'
import type { PredictionAnswerRow, PredictionQuestion } from '../../topology/swarm/prediction-numbers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ClickHouseTable } from './clickhouse-table.ts'
import { questionSql } from './prediction-questions.ts'

export interface ClickHouseDatabaseOptions {
  /** The URL for `@clickhouse/client`, with user and password if the server needs them. */
  readonly url: string
  /** The Unix socket to connect to; null: connect to `url`. */
  readonly socketPath: string | null
  readonly clock: Clock
  readonly random: Random
}

export interface RowsOfPartition {
  readonly swarm: string
  readonly topic: string
  readonly partition: number
  /** The first offset that is still in the log. */
  readonly start: number
}

/** A client of a ClickHouse server, embedded or external. */
export class ClickHouseDatabase implements Database {
  readonly #client: ClickHouseClient
  readonly #options: ClickHouseDatabaseOptions
  /** The client for questions. It is separate, so that a question does not wait until the inserts of the sinks have ended. */
  #reader: ClickHouseClient | null = null

  constructor(options: ClickHouseDatabaseOptions) {
    this.#options = options
    this.#client = createClient({
      url: options.url,
      request_timeout: 60_000,
      max_open_connections: connections,
      ...(options.socketPath === null
        ? {}
        : { http_agent: new Agent({ keepAlive: true, maxSockets: connections, socketPath: options.socketPath } as AgentOptions) }),
      application: 'waggle',
      // The client would log every attempt. The table reports an outage once.
      log: { level: ClickHouseLogLevel.OFF },
    })
  }

  async openTable({ table, log }: TableOptions): Promise<PredictionTable> {
    const [database, name] = tableNameOf(table)
    const opened = new ClickHouseTable({ client: this.#client, database, name, log, clock: this.#options.clock, random: this.#options.random })
    await opened.tryToOpen()
    return opened
  }

  /** The offset after the last saved record of a swarm, by `<topic> <partition>`; empty if the table does not exist. */
  async savedUpTo(table: string, swarm: string): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#ask<{ topic: string; partition: number; next: string }>(
      table,
      `SELECT topic, partition, toString(max(offset) + 1) AS next FROM ${rowsOf(table)} WHERE swarm = {swarm:String} GROUP BY topic, partition`,
      { swarm },
    )
    return new Map(rows.map(({ topic, partition, next }) => [`${topic} ${partition}`, Number(next)]))
  }

  /** `from`: the first offset at or after `start` that has no row. `before`: the number of offsets below `start` that have no row. */
  async missingIn(table: string, { swarm, topic, partition, start }: RowsOfPartition): Promise<{ readonly from: number; readonly before: number }> {
    const [found] = await this.#ask<{ unbroken: string; before: string }>(
      table,
      `SELECT toString(countIf(offset >= ${start} AND offset = ${start} + nth - 1)) AS unbroken, toString(countIf(offset < ${start})) AS before
        FROM (SELECT offset, row_number() OVER (PARTITION BY offset < ${start} ORDER BY offset) AS nth FROM (SELECT DISTINCT offset
        FROM ${rowsOf(table)} WHERE swarm = {swarm:String} AND topic = {topic:String} AND partition = ${partition}))`,
      { swarm, topic },
    )
    return { from: start + Number(found?.unbroken ?? 0), before: start - Number(found?.before ?? 0) }
  }

  /**
   * Answers a question about the predictions of a swarm, with at most `maxAnswerRows` rows. The query has the limits of a reader. On the embedded
   * database these are the limits of the public port; on another server they are settings of the query. Throws WAGGLE_CLICKHOUSE.
   */
  async answer(
    table: string,
    question: PredictionQuestion,
    range: Omit<Parameters<typeof questionSql>[1], 'place'>,
  ): Promise<readonly PredictionAnswerRow[]> {
    const [database, name] = tableNameOf(table)
    const place = (ending: string) => `${database === null ? '' : `\`${database}\`.`}\`${name}${ending === '' ? '' : `_${ending}`}\``
    const query = questionSql(question, { ...range, place })
    try {
      this.#reader ??= createClient({
        url: this.#options.url,
        request_timeout: 15_000,
        max_open_connections: 4,
        application: 'waggle-page',
        log: { level: ClickHouseLogLevel.OFF },
      })
      const found = await this.#reader.query({
        query,
        format: 'JSONEachRow',
        ...(this.#options.socketPath === null ? { clickhouse_settings: readerLimits } : {}),
      })
      return await found.json<PredictionAnswerRow>()
    } catch (error) {
      // The first insert creates the table, if ClickHouse was unreachable at the start.
      if (error instanceof ClickHouseError && (error.code === unknownTable || error.code === unknownDatabase)) return []
      throw WaggleError.from('WAGGLE_CLICKHOUSE', error, {
        message: `ClickHouse does not answer the question ${question} about ${table}`,
        next: 'Correct the cause that ClickHouse names. The log of a server that is not embedded may say more.',
      })
    }
  }

  /** The folder of a table's rows on the server's disk, and the folder's size; null if the table does not exist. */
  async #folderAndSize(table: string): Promise<{ readonly folder: string; readonly bytes: number } | null> {
    const [database, name] = tableNameOf(table)
    const [found] = await this.#ask<{ path: string; bytes: string }>(
      table,
      `SELECT data_paths[1] AS path, toString(total_bytes) AS bytes FROM system.tables
        WHERE database = ${database === null ? 'currentDatabase()' : `'${database}'`} AND name = '${name}_rows'`,
    )
    return found === undefined ? null : { folder: found.path, bytes: Number(found.bytes) }
  }

  /** The name of the folder with a table's rows; null if the table does not exist. */
  async folderOf(table: string): Promise<string | null> {
    const place = await this.#folderAndSize(table)
    return place === null ? null : basename(place.folder)
  }

  /** Checks the files of a table against their checksums, if they have at most 256 MB. Throws WAGGLE_CLICKHOUSE if one of the files is damaged. */
  async check(table: string): Promise<void> {
    const place = await this.#folderAndSize(table)
    if (place === null || place.bytes > maxCheckedBytes) return
    const parts = await this.#ask<{ part_path: string; is_passed: number; message: string }>(
      table,
      `CHECK TABLE ${rowsOf(table)} SETTINGS check_query_single_value_result = 0`,
    )
    const damaged = parts.find(({ is_passed }) => is_passed === 0)
    if (damaged === undefined) return
    throw new WaggleError('WAGGLE_CLICKHOUSE', {
      message: `The part ${place.folder}${damaged.part_path} of the table ${table} is damaged: ${damaged.message}`,
      next: 'Move that folder away: the next start writes its rows again from the log, and says how many rows the log no longer has.',
    })
  }

  async #ask<Row>(table: string, query: string, parameters?: { readonly [name: string]: string }): Promise<readonly Row[]> {
    try {
      const found = await this.#client.query({ query, ...(parameters === undefined ? {} : { query_params: parameters }), format: 'JSONEachRow' })
      return await found.json<Row>()
    } catch (error) {
      if (error instanceof ClickHouseError && (error.code === unknownTable || error.code === unknownDatabase)) return []
      throw WaggleError.from('WAGGLE_CLICKHOUSE', error, {
        message: `The rows of ${table} cannot be counted`,
        next: 'Correct the cause that ClickHouse names. The log of a server that is not embedded may say more.',
      })
    }
  }

  async close(): Promise<void> {
    await this.#reader?.close()
    await this.#client.close()
  }
}

function rowsOf(table: string): string {
  const [database, name] = tableNameOf(table)
  return database === null ? `\`${name}_rows\`` : `\`${database}\`.\`${name}_rows\``
}

const connections = 8
const readerLimits = {
  max_execution_time: 10,
  max_memory_usage: String(256 * 1024 * 1024),
  max_result_rows: '100000',
  result_overflow_mode: 'throw',
} as const
const maxCheckedBytes = 256 * 1024 * 1024
const unknownTable = '60'
const unknownDatabase = '81'
