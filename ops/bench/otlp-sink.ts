import { createServer } from 'node:http'

/**
 * Accepts data that arrives by OTLP over HTTP, and keeps nothing. `GET /` returns the number of bytes that each path received. The sink is a separate
 * process, so its work does not count as work of the process under test.
 */
const bytes = new Map<string, number>()

const server = createServer((request, response) => {
  const path = request.url ?? ''
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(Object.fromEntries(bytes)))
    return
  }
  request.on('data', (chunk: Buffer) => {
    bytes.set(path, (bytes.get(path) ?? 0) + chunk.length)
  })
  // An answer without bytes is an empty message of protobuf, which says that all data was accepted.
  request.on('end', () => response.setHeader('content-type', 'application/x-protobuf').end())
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  process.stdout.write(`${JSON.stringify({ event: 'ready', gateway: `http://127.0.0.1:${port}` })}\n`)
})
process.on('SIGTERM', () => process.exit(0))
