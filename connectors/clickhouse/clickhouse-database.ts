import { Agent, type AgentOptions } from 'node:http'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import type { Clock, Random } from '../../processor/ports.ts'
import type { Database, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { ClickHouseTable } from './clickhouse-table.ts'

export interface ClickHouseDatabaseOptions {
  /** As `@clickhouse/client` takes it, with user and password where it wants them. */
  readonly url: string
  /** Null: the server listens at `url`. Else the connections go through this Unix socket. */
  readonly socketPath: string | null
  readonly clock: Clock
  readonly random: Random
}

/** A ClickHouse server, embedded or not: one way to both. */
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
      // What it would print, once a try, is said once by the table.
      log: { level: ClickHouseLogLevel.OFF },
    })
  }

  async openTable({ table, log }: TableOptions): Promise<PredictionTable> {
    const [database, name] = namesOf(table)
    const opened = new ClickHouseTable({ client: this.#client, database, name, log, clock: this.#options.clock, random: this.#options.random })
    await opened.tryToOpen()
    return opened
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
