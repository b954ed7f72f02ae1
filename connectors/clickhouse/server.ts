import { createServer } from 'node:http'
import { ChdbQueries } from './chdb-queries.ts'
import { answerHttp } from './http-interface.ts'
import type { ServerMessage, ServerOptions } from './server-messages.ts'

/** The embedded ClickHouse's process: started by embedded-clickhouse.ts, ends with the process that started it. */
const { directory, host, port } = JSON.parse(process.argv[2] ?? '{}') as ServerOptions

const say = (message: ServerMessage) => process.send?.(message)

let queries: ChdbQueries
try {
  queries = await ChdbQueries.open(directory)
} catch (error) {
  fail('', error)
}

const server = createServer((request, response) => void answerHttp(queries, request, response))
server.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? '', error))
server.listen(port, host, () => {
  const address = server.address()
  say({ kind: 'ready', port: address !== null && typeof address === 'object' ? address.port : port })
})

process.on('disconnect', () => {
  server.close()
  server.closeIdleConnections()
  queries.close().finally(() => process.exit(0))
})

function fail(code: string, error: unknown): never {
  say({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) })
  process.disconnect()
  process.exit(1)
}
