import { startEmbeddedClickHouse } from '../../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'

/** A process that a test kills. It starts an embedded ClickHouse and prints its address. */
const [, , directory = ''] = process.argv
const server = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
process.send?.({ url: server.url, pid: server.pid })
