import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { it } from 'node:test'
import { openEchoGateway } from '../../../support/echo-gateway.ts'

it('A gateway that stops answers a request that still arrives with a problem and its id, and closes the connection', async () => {
  const gateway = await openEchoGateway()
  const { hostname, port, host } = new URL(gateway.url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  // A connection with the beginning of a request is not idle, so it stays open when the gateway stops.
  socket.write('POST /v1/gateways/door/request HTTP/1.1\r\n')
  const other = await fetch(`${gateway.url}/healthz`)
  assert.equal(other.status, 200)
  const closed = gateway.close()
  socket.write(`Host: ${host}\r\nContent-Length: 2\r\n\r\n{}`)
  let answer = ''
  for await (const bytes of socket) answer += String(bytes)
  await closed
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  assert.match(head, /^HTTP\/1\.1 503 /)
  for (const header of [/^content-type: application\/problem\+json/im, /^connection: close$/im, /^retry-after: 1$/im]) assert.match(head, header)
  const { code, detail, request_id } = JSON.parse(body) as { readonly code: string; readonly detail: string; readonly request_id: string }
  assert.deepEqual({ code, detail }, { code: 'WAGGLE_STOPPING', detail: 'This process is stopping' })
  assert.equal(/^x-request-id: (.*)$/im.exec(head)?.[1], request_id)
})
