import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * A process that opens connections and sends the beginning of a request on each: `HOST PORT COUNT PROTOCOL`. For each line on its standard input it opens
 * COUNT more, and writes the number of all that are open. It holds them until its standard input ends.
 */
const [, , host = '', port = '', count = '', protocol = ''] = process.argv
const authorization = 'Bearer slow-0123456789abc'
const beginning = protocol === 'grpc' ? await beginningOfCall() : Buffer.from(headOfRequest())
const sockets: Socket[] = []
for await (const _ of createInterface({ input: process.stdin })) {
  await Promise.all(
    Array.from({ length: Number(count) }, async () => {
      const socket = connect(Number(port), host)
      socket.on('error', () => {})
      sockets.push(socket)
      await once(socket, 'connect')
      socket.resume().write(beginning)
    }),
  )
  writeSync(1, `${JSON.stringify({ open: sockets.filter(({ destroyed }) => !destroyed).length })}\n`)
}
process.exit(0)

/** A request whose body does not come. */
function headOfRequest(): string {
  return `POST /v1/gateways/door/request HTTP/1.1\r\nhost: localhost\r\nauthorization: ${authorization}\r\ncontent-type: image/png\r\ncontent-length: 60000\r\n\r\nslow`
}

/** The bytes with which a client of HTTP/2 begins a connection and a call, without the message of the call. A client for each would take far more memory. */
async function beginningOfCall(): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  session.on('error', () => {})
  const headers = { ':method': 'POST', ':path': '/waggle.v1.Gateway/Request', ':authority': `localhost:${port}`, 'content-type': 'application/grpc' }
  session.request({ ...headers, te: 'trailers', authorization }).on('error', () => {})
  const [socket] = (await once(server, 'connection')) as [Socket]
  let bytes = Buffer.alloc(0)
  // The frame of the call's headers (RFC 9113, section 6.2) is the last one.
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer])
    if (hasHeaders(bytes)) break
  }
  session.destroy()
  server.close()
  return bytes
}

function hasHeaders(bytes: Buffer): boolean {
  const preface = 24
  for (let at = preface; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    if (bytes[at + 3] === 1 && at + 9 + length <= bytes.length) return true
    at += 9 + length
  }
  return false
}
