import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { Worker } from 'node:worker_threads'
import { moduleFile } from '../../topology/module-file.ts'
import { ownNames, siteRefusal } from '../http/same-site.ts'
import { ChdbQueries } from './chdb-queries.ts'
import type { ServerMessage, ServerOptions } from './engine-messages.ts'
import { answerHttp } from './http-interface.ts'
import { ReaderQueries } from './reader-queries.ts'

/** The program of the embedded ClickHouse's process. `embedded-clickhouse.ts` starts the process. The process ends when its parent ends. */
const { directory, host, port, names, writerSocket, maxReaderSeconds } = JSON.parse(process.argv[2] ?? '{}') as ServerOptions

const say = (message: ServerMessage) => process.send?.(message)

// A second thread watches the parent. The engine blocks this thread while it parses a query, and process.exit() waits for native queries.
new Worker(moduleFile(new URL('./parent-watch.ts', import.meta.url)), { workerData: { parent: process.ppid } }).unref()

let writer: ChdbQueries
let readers: ReaderQueries
try {
  writer = await ChdbQueries.open(directory)
  readers = await ReaderQueries.open({ directory, maxSeconds: maxReaderSeconds, stuck: end })
} catch (error) {
  fail('', error)
}

const privateServer = createServer((request, response) => {
  void answerHttp({ run: (query) => writer.run(query), maxBodyBytes: 256 * 1024 * 1024, writesSettings: true }, request, response)
})
const publicServer = createServer({ maxHeaderSize: 64 * 1024, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 10_000 })
publicServer.maxConnections = 64
// The timeout is longer than a query may wait and run, so a connection that is silent for this long is dead.
publicServer.timeout = 300_000

privateServer.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? '', error))
publicServer.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? '', error))
// A killed process may have left its socket file. No living process uses that file, because this process has locked the database.
rmSync(writerSocket, { force: true })
privateServer.listen(writerSocket, () => {
  publicServer.listen(port, host, () => {
    const actualPort = portOf(publicServer)
    const own = ownNames({ host, port: actualPort, names })
    publicServer.on('request', (request, response) => {
      const refusal = siteRefusal(request, own)
      if (refusal === null)
        return void answerHttp(
          { run: (query, signal) => readers.run(query, signal), maxBodyBytes: 1024 * 1024, writesSettings: false },
          request,
          response,
        )
      response.writeHead(refusal.status, { 'content-type': 'text/plain; charset=UTF-8', connection: 'close' })
      response.end(`${refusal.detail} (${refusal.code})\n`)
    })
    say({ kind: 'ready', port: actualPort })
  })
})

process.on('disconnect', () => {
  publicServer.close()
  privateServer.close()
  publicServer.closeIdleConnections()
  privateServer.closeIdleConnections()
  setTimeout(end, closeMs)
  writer.close().finally(end)
})

function portOf(server: Server): number {
  const address = server.address()
  return address !== null && typeof address === 'object' ? address.port : port
}

/** Ends the process by a signal. process.exit() would wait for a running query. */
function end(): never {
  rmSync(writerSocket, { force: true })
  process.kill(process.pid, 'SIGKILL')
  throw new Error('The process is killed')
}

function fail(code: string, error: unknown): never {
  say({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) })
  process.disconnect()
  process.exit(1)
}

const closeMs = 5_000
