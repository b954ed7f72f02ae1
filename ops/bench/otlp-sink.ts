import { createServer } from 'node:http'

/**
 * Takes what OTLP over HTTP sends, and keeps nothing. `GET /` gives the number of bytes that came to each path. It is a process of its own, so that its
 * work is not counted as that of the process under test.
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
  // An answer without bytes is an empty message of protobuf: everything was taken.
  request.on('end', () => response.setHeader('content-type', 'application/x-protobuf').end())
})

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  process.stdout.write(`${JSON.stringify({ event: 'ready', gateway: `http://127.0.0.1:${port}` })}\n`)
})
process.on('SIGTERM', () => process.exit(0))
