import { Agent, type AgentOptions } from 'node:http'
import { type ClickHouseClient, ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { Clock, Random } from '../../processor/ports.ts'
import type { Database, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ClickHouseTable } from './clickhouse-table.ts'

export interface ClickHouseDatabaseOptions {
  /** The URL for `@clickhouse/client`, with user and password where the server wants them. */
  readonly url: string
  /** The Unix socket that connections use; null: they go to `url`. */
  readonly socketPath: string | null
  readonly clock: Clock
  readonly random: Random
}

/** A ClickHouse server, embedded or external. */
export class ClickHouseDatabase implements Database {
  readonly #client: ClickHouseClient
  readonly #options: ClickHouseDatabaseOptions

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
      // The client would log every try. The table reports an outage once.
      log: { level: ClickHouseLogLevel.OFF },
    })
  }

  async openTable({ table, log }: TableOptions): Promise<PredictionTable> {
    const [database, name] = namesOf(table)
    const opened = new ClickHouseTable({ client: this.#client, database, name, log, clock: this.#options.clock, random: this.#options.random })
    await opened.tryToOpen()
    return opened
  }

  /** The offset after the last saved record of a swarm, by `topic partition`; empty where the table does not exist. */
  async savedUpTo(table: string, swarm: string): Promise<ReadonlyMap<string, number>> {
    const [database, name] = namesOf(table)
    const place = database === null ? `\`${name}_rows\`` : `\`${database}\`.\`${name}_rows\``
    try {
      const found = await this.#client.query({
        query: `SELECT topic, partition, toString(max(offset) + 1) AS next FROM ${place} WHERE swarm = {swarm:String} GROUP BY topic, partition`,
        query_params: { swarm },
        format: 'JSONEachRow',
      })
      const rows = await found.json<{ topic: string; partition: number; next: string }>()
      return new Map(rows.map(({ topic, partition, next }) => [`${topic} ${partition}`, Number(next)]))
    } catch (error) {
      if (error instanceof ClickHouseError && (error.code === unknownTable || error.code === unknownDatabase)) return new Map()
      throw WaggleError.from('WAGGLE_CLICKHOUSE', error, {
        message: `The rows of ${table} cannot be counted`,
        next: 'See what it says, and its own log.',
      })
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

function namesOf(table: string): readonly [database: string | null, name: string] {
  const match = /^(?:([A-Za-z_][A-Za-z0-9_]*)\.)?([A-Za-z_][A-Za-z0-9_]*)$/.exec(table)
  if (match?.[2] === undefined) {
    throw new WaggleError('WAGGLE_TABLE_NAME', {
      message: `"${table}" is no name of a table`,
      next: 'Use letters, digits and "_", with a database before a "." where it is not the default one.',
    })
  }
  return [match[1] ?? null, match[2]]
}

const connections = 8
const unknownTable = '60'
const unknownDatabase = '81'
