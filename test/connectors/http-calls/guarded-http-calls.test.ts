import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createPlainServer, type LookupFunction, type Server } from 'node:net'
import { describe, it } from 'node:test'
import { GuardedHttpCalls } from '../../../connectors/http-calls/guarded-http-calls.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { HttpCall } from '../../../topology/swarm/ports/http-calls.ts'
import { Certificates } from '../../support/serving/certificates.ts'

const call = (url: string): HttpCall => ({
  ...{ method: 'GET', url: new URL(url), shown: url, headers: {}, body: null, isIdempotent: true, attempts: 1, attemptMs: 5000 },
  ...{ maxAnswerBytes: 1000, deadline: null, signal: new AbortController().signal },
})

/** Answers one look-up after the other, as a name server with changing answers does. */
function addresses(...found: readonly string[]): LookupFunction {
  let at = 0
  return (_, options, done) => {
    const address = found[Math.min(at++, found.length - 1)] ?? ''
    if (options.all === true) done(null, [{ address, family: 4 }])
    else done(null, address, 4)
  }
}

async function listening(server: Server): Promise<{ readonly port: number } & AsyncDisposable> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() }
}

describe('Guarded HTTP calls', () => {
  it('connect to no private address under a listed name, even if the addresses of the name change between two look-ups', async () => {
    let requests = 0
    await using server = await listening(
      createServer((_, response) => {
        requests++
        response.end()
      }),
    )
    const rebinding = new GuardedHttpCalls({ clock: systemClock, hosts: 'prices.example', lookup: addresses('127.0.0.1', '169.254.169.254') })
    for (let again = 0; again < 2; again++)
      await assert.rejects(rebinding.send(call(`http://prices.example:${server.port}/`)), {
        code: 'WAGGLE_HTTP_CALL_REFUSED',
        message: /prices\.example stands for (127\.0\.0\.1|169\.254\.169\.254), which WAGGLE_HTTP_CALL_HOSTS does not have/,
      })
    assert.equal(requests, 0)
    const allowed = new GuardedHttpCalls({ clock: systemClock, hosts: 'prices.example,127.0.0.0/8', lookup: addresses('127.0.0.1') })
    assert.equal((await allowed.send(call(`http://prices.example:${server.port}/`))).status, 200)
  })

  it('refuse a host that is not in the list', async () => {
    const calls = new GuardedHttpCalls({ clock: systemClock, hosts: 'prices.example:8443' })
    for (const url of ['https://prices.example/', 'http://127.0.0.1/', 'https://other.example:8443/'])
      await assert.rejects(calls.send(call(url)), { code: 'WAGGLE_HTTP_CALL_ADDRESS' })
    calls.check(new URL('https://prices.example:8443/a'))
  })

  it('fail with the reason if the TLS handshake fails', async () => {
    const calls = new GuardedHttpCalls({ clock: systemClock, hosts: null })
    using certificates = new Certificates()
    const [key, cert] = [readFileSync(certificates.server.key), readFileSync(certificates.server.cert)]
    await using tls = await listening(createTlsServer({ key, cert }, (_, response) => response.end()))
    await assert.rejects(calls.send(call(`https://127.0.0.1:${tls.port}/`)), {
      code: 'WAGGLE_HTTP_CALL_REFUSED',
      message: /has a certificate that is not valid \((SELF_SIGNED|DEPTH_ZERO|UNABLE_TO)/,
    })
    await using plain = await listening(createServer((_, response) => response.end()))
    await assert.rejects(calls.send(call(`https://127.0.0.1:${plain.port}/`)), { message: /does not speak TLS as expected/ })
  })

  it('fail with the reason if the answer is not HTTP', async () => {
    const calls = new GuardedHttpCalls({ clock: systemClock, hosts: null })
    await using rubbish = await listening(createPlainServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')))
    await assert.rejects(calls.send(call(`http://127.0.0.1:${rubbish.port}/`)), { message: /answers with something that is not HTTP \(HPE_/ })
  })
})
