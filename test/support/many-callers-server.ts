import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { parseTokens } from '../../connectors/gateway/access/access-token.ts'
import { AccessTokens } from '../../connectors/gateway/access/access-tokens.ts'
import { openEchoGateway, openEchoGrpc } from './echo-gateway.ts'

/**
 * A process with a gateway of one protocol, `http` or `grpc`, that takes up to 11,000 connections. Its first line is its address. For each line on its
 * standard input it writes the number of connections that it has, and for the line `memory` its memory in bytes too, without garbage. It ends with its
 * standard input.
 */
const [, , protocol] = process.argv
const open = new Set<Socket>()
subscribe('net.server.socket', (message) => {
  const { socket } = message as { readonly socket: Socket }
  open.add(socket)
  socket.once('close', () => open.delete(socket))
})
const tokens = new AccessTokens()
tokens.replace('settings', parseTokens('slow=slow-0123456789abc:ask:*; fast=fast-0123456789abc:ask:*'))
const minutes = { headersMs: 600_000, requestMs: 600_000, idleMs: 600_000, minBytesPerSecond: 1, slowWindowMs: 600_000 }
const options = { callers: { areKnown: true, find: (token: string) => tokens.find(token) }, maxConnections: 11_000, maxBodiesBytes: 64 * 1024 * 1024 }
const address =
  protocol === 'grpc'
    ? (await openEchoGrpc({ ...options, messageMs: 600_000 })).address
    : (await openEchoGateway({ ...options, timeLimits: minutes })).url
say({ address })
for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'memory') globalThis.gc?.()
  say({ open: open.size, memoryBytes: line === 'memory' ? process.memoryUsage().rss : 0 })
}
process.exit(0)

function say(line: object): void {
  writeSync(1, `${JSON.stringify(line)}\n`)
}
