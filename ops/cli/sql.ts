import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { ClickHouseError, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { startEmbeddedClickHouse } from '../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { loadConfig } from '../config/config.ts'
import type { Settings } from '../config/settings.ts'
import { runningProcess } from '../inspection/open-management.ts'
import { RemoteManagement } from '../inspection/remote-management.ts'
import { exitStatus } from './exit-status.ts'
import { textTable } from './text-table.ts'

export interface SqlOptions {
  /** The address of a running process. Default: the process that has the data directory open. */
  readonly url?: string
  /** The most rows to print. */
  readonly max: number
  readonly json: boolean
}

/** `waggle sql QUERY`: runs a query in ClickHouse, and prints its rows as a table. `-` reads the query from standard input. */
export async function sql(given: string, options: SqlOptions): Promise<number> {
  const query = given === '-' ? await text(process.stdin) : given
  if (query.trim() === '')
    throw new WaggleError('WAGGLE_BAD_REQUEST', { message: 'The query is empty', next: 'Give one statement, as in: SELECT 1.' })
  const { settings } = loadConfig({ directories: [process.cwd()], env: process.env })
  return withClickHouse(settings, options.url ?? null, async (url) => {
    const { names, rows, cut } = await rowsOf(url, query, options)
    if (options.json) {
      for (const row of rows) process.stdout.write(`${JSON.stringify(Object.fromEntries(names.map((name, at) => [name, row[at]])))}\n`)
    } else if (names.length > 0)
      process.stdout.write(
        `${textTable(
          names,
          rows.map((row) => row.map(cellOf)),
        )}\n`,
      )
    if (cut === 'rows') process.stderr.write(`There are more rows: these are the first ${rows.length}. A greater --max prints more.\n`)
    if (cut === 'bytes')
      process.stderr.write(
        `There are more rows: these are the first ${rows.length}, with ${maxBytes / mebibyte} MiB. Select fewer columns, or ask with LIMIT and OFFSET.\n`,
      )
    return exitStatus.done
  })
}

/** Calls `work` with the address of the ClickHouse of the settings, of the running process, or of the data directory if no process has it open. */
async function withClickHouse(settings: Settings, url: string | null, work: (url: string) => Promise<number>): Promise<number> {
  if (settings.clickhouse_url !== null) return work(settings.clickhouse_url)
  const remote = url === null ? await runningProcess(settings) : await RemoteManagement.open(url)
  if (remote !== null) {
    const found = await remote.clickhouseUrl()
    if (found !== null) return work(found)
    throw new WaggleError('WAGGLE_CLICKHOUSE', {
      message: `The process at ${remote.url} has no ClickHouse open, because none of its swarms saves predictions`,
      next: 'Add a save-to-database bee to a swarm, or set CLICKHOUSE_URL.',
    })
  }
  const directory = join(settings.data_dir, 'clickhouse')
  if (!existsSync(directory)) {
    throw new WaggleError('WAGGLE_CLICKHOUSE', {
      message: `No process has ${settings.data_dir} open, and ${settings.data_dir} contains no ClickHouse database`,
      next: 'Start a swarm with a save-to-database bee, name the process with --url, or set CLICKHOUSE_URL.',
    })
  }
  const server = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
  try {
    return await work(server.url)
  } finally {
    await server.close()
  }
}

interface Rows {
  readonly names: readonly string[]
  readonly rows: readonly (readonly unknown[])[]
  /** The bound that has ended the rows before the last one; null if these are all rows. */
  readonly cut: 'rows' | 'bytes' | null
}

/**
 * The first rows of a query. Rows are read as they come, up to `max` rows and `maxBytes`. The connection is then closed, so neither this process nor
 * the database goes on with the rest.
 */
async function rowsOf(url: string, query: string, { max }: Pick<SqlOptions, 'max'>): Promise<Rows> {
  const client = createClient({ url, request_timeout: 60_000, application: 'waggle-sql', log: { level: ClickHouseLogLevel.OFF } })
  const stop = new AbortController()
  try {
    const found = await client.query({
      // The client appends a FORMAT clause, which would follow the semicolon.
      query: query.trim().replace(/;$/, ''),
      format: 'JSONCompactEachRowWithNames',
      abort_signal: stop.signal,
    })
    let names: readonly string[] | null = null
    const rows: (readonly unknown[])[] = []
    let bytes = 0
    for await (const chunk of found.stream<unknown[]>()) {
      for (const row of chunk) {
        if (names === null) {
          names = row.json<unknown[]>().map(String)
          continue
        }
        bytes += row.text.length
        if (rows.length === max || bytes > maxBytes) return { names, rows, cut: rows.length === max ? 'rows' : 'bytes' }
        rows.push(row.json())
      }
    }
    return { names: names ?? [], rows, cut: null }
  } catch (error) {
    if (error instanceof ClickHouseError) {
      throw WaggleError.from('WAGGLE_BAD_REQUEST', error, {
        message: 'ClickHouse refuses the query',
        next: 'Correct the query. The embedded ClickHouse takes one statement that only reads.',
      })
    }
    throw WaggleError.from('WAGGLE_CLICKHOUSE', error, {
      message: `ClickHouse does not answer at ${new URL(url).host}`,
      next: 'See that it runs. The embedded one of another machine listens only there: set CLICKHOUSE_URL, or run the command there.',
    })
  } finally {
    stop.abort()
    await client.close()
  }
}

/** Formats a value on one line. */
function cellOf(value: unknown): string {
  const shown = typeof value === 'string' ? value : JSON.stringify(value)
  const line = shown.replaceAll(/\s+/g, ' ')
  return line.length > maxCellCharacters ? `${line.slice(0, maxCellCharacters - 1)}…` : line
}

const maxCellCharacters = 120
const mebibyte = 1024 * 1024
/** The most characters of rows, as ClickHouse sends them. */
const maxBytes = 64 * mebibyte
