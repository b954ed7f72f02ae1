import { join } from 'node:path'
import { ClickHouseDatabase } from '../../connectors/clickhouse/clickhouse-database.ts'
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from '../../connectors/clickhouse/embedded-clickhouse.ts'
import { Repairs } from '../../connectors/clickhouse/repairs.ts'
import { isLoopback } from '../../connectors/http/loopback.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import type { Log } from '../../processor/ports.ts'
import type { Database, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'
import type { Settings } from '../config/settings.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { furtherNames } from './gateway-settings.ts'
import { saveMissingRows } from './missing-rows.ts'
import type { RunningSwarm } from './running-swarm.ts'

/** The database for predictions of this process: the ClickHouse of the settings, or an embedded one. It starts when the first sink needs it. */
export class PredictionDatabase implements Database {
  readonly #settings: Settings
  readonly #say: LogLine
  #opening: Promise<ClickHouseDatabase> | null = null
  #embedded: EmbeddedClickHouse | null = null
  /** The repairs of the database; null if the database is not in the data directory. */
  #repairs: Repairs | null = null
  #url: string | null = null

  constructor(settings: Settings, say: LogLine) {
    this.#settings = settings
    this.#say = say
  }

  /** The database's URL; null if no sink has needed the database. */
  get url(): string | null {
    return this.#url
  }

  /** The URL without user and password. */
  get shownUrl(): string | null {
    return this.#url === null ? null : withoutPassword(this.#url)
  }

  async openTable(options: TableOptions): Promise<PredictionTable> {
    return (await this.open()).openTable(options)
  }

  open(): Promise<ClickHouseDatabase> {
    this.#opening ??= this.#start().catch((error: unknown) => {
      // After a failure the next sink that needs the database starts it again.
      this.#opening = null
      throw error
    })
    return this.#opening
  }

  /**
   * Saves the rows of a swarm that the database lacks. This is needed only if log and database are both in the data directory, because either of them
   * may be an older copy.
   */
  async saveMissingRows(log: Log, { plan, topology }: RunningSwarm): Promise<void> {
    if (!plan.bees.some(({ type }) => type.role === 'sink')) return
    const database = await this.open()
    const repairs = this.#repairs
    if (this.#settings.log !== 'embedded' || repairs === null) return
    const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
    if (log instanceof EmbeddedLog) await saveMissingRows({ plan, topology, log, database, repairs, say: this.#say })
  }

  async close(): Promise<void> {
    const database = await this.#opening?.catch(() => null)
    await database?.close()
    await this.#embedded?.close()
  }

  async #start(): Promise<ClickHouseDatabase> {
    const settings = this.#settings
    const say = this.#say
    const random = new SystemRandom()
    let url = settings.clickhouse_url
    let socketPath: string | null = null
    if (url === null) {
      const directory = join(settings.data_dir, 'clickhouse')
      this.#repairs = new Repairs(directory)
      this.#embedded = await startEmbeddedClickHouse({
        directory,
        // The database does not check tokens, and its rows contain the answers to all callers. So it listens only on loopback addresses.
        host: isLoopback(settings.host) ? settings.host : '127.0.0.1',
        port: settings.clickhouse_port,
        names: furtherNames(settings),
        clock: systemClock,
        log: (level, message) => say('clickhouse', level, message),
      })
      url = this.#embedded.url
      socketPath = this.#embedded.writerSocket
    }
    this.#url = url
    return new ClickHouseDatabase({ url, socketPath, clock: systemClock, random })
  }
}

function withoutPassword(url: string): string {
  const shown = new URL(url)
  shown.username = ''
  shown.password = ''
  return shown.href
}
