import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, createServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'
import { it } from 'node:test'
import { cutStream } from '../../../../connectors/gateway/grpc/call-stream.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'
import { eventually } from '../../../support/swarm-here.ts'

it('A cut call of a caller that has stopped reading TCP ends, with its connection', { timeout: 30_000 }, async () => {
  const largestWindow = 2 ** 31 - 1
  const clock = new SimulatedClock()
  const server = createServer()
  server.on('session', (session) => session.on('error', () => {}))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  // The windows of HTTP/2 stay open, so only TCP stops the answer.
  const client = connectHttp2('http://localhost', { createConnection: () => socket, settings: { initialWindowSize: largestWindow } })
  client.on('error', () => {})
  try {
    await once(client, 'connect')
    client.setLocalWindowSize(largestWindow)
    await once(client, 'remoteSettings')
    client.request({ ':path': '/' }).on('error', () => {})
    const [stream] = (await once(server, 'stream')) as [ServerHttp2Stream]
    // An HTTP/2 session reads the handle of its socket itself, so the socket cannot be paused by its own methods.
    ;(socket as unknown as { readonly _handle: { readStop(): void } })._handle.readStop()
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    stream.end(Buffer.alloc(96 * 1024 * 1024))
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    cutStream(stream, clock)
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
    assert.equal(stream.destroyed, false)
    await clock.advance(1_000)
    await eventually(async () => stream.destroyed)
  } finally {
    socket.destroy()
    client.destroy()
    server.close()
  }
})
