import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ownNames, siteRefusal } from '../../../connectors/http/same-site.ts'

const own = ownNames({ host: '127.0.0.1', port: 8080, names: ['waggle', 'proxy.example:8443'] })

function statusOf(...headers: readonly (readonly [name: string, value: string])[]): number | null {
  const request = {
    rawHeaders: headers.flat(),
    headers: Object.fromEntries(headers.toReversed().map(([name, value]) => [name.toLowerCase(), value])),
  }
  return siteRefusal(request, own)?.status ?? null
}

describe('A request to a server on this machine', () => {
  it('is accepted under the loopback names, with or without the port', () => {
    for (const host of ['localhost:8080', 'LOCALHOST:8080', '127.0.0.1:8080', '[::1]:8080', 'localhost', '127.0.0.1'])
      assert.equal(statusOf(['Host', host]), null, host)
  })

  it('gets 421 under a foreign name, another port or a name that only resembles a loopback name', () => {
    for (const host of ['evil.example', 'evil.example:8080', 'localhost.evil.example:8080', 'localhost:80', '127.0.0.1.:8080', '8.8.8.8:8080'])
      assert.equal(statusOf(['Host', host]), 421, host)
  })

  it('is accepted under a configured name: with any port, or with the configured port', () => {
    assert.equal(statusOf(['Host', 'waggle:8080']), null)
    assert.equal(statusOf(['Host', 'waggle']), null)
    assert.equal(statusOf(['Host', 'proxy.example:8443']), null)
    assert.equal(statusOf(['Host', 'proxy.example:1']), 421)
    assert.equal(statusOf(['Host', 'proxy.example']), 421)
  })

  it('is malformed without a Host header, with two Host headers, or with an invalid Host header', () => {
    assert.equal(statusOf(), 400)
    assert.equal(statusOf(['Host', 'localhost:8080'], ['host', 'evil.example']), 400)
    for (const host of ['', 'localhost:8080, evil.example', 'user@localhost:8080', 'localhost:8080/', 'lo calhost'])
      assert.equal(statusOf(['Host', host]), 400, host)
  })

  it('is refused if a page of another site sent it, and accepted if a page of the same site sent it', () => {
    const host = ['Host', 'localhost:8080'] as const
    for (const site of ['cross-site', 'same-site', 'nonsense']) assert.equal(statusOf(host, ['Sec-Fetch-Site', site]), 403, site)
    for (const site of ['none', 'same-origin']) assert.equal(statusOf(host, ['Sec-Fetch-Site', site]), null, site)
    for (const origin of [
      'http://evil.example',
      'null',
      'http://localhost',
      'http://localhost:3000',
      'file://',
      'http://localhost:8080@evil.example',
      '',
    ])
      assert.equal(statusOf(host, ['Origin', origin]), 403, origin)
    for (const origin of ['http://localhost:8080', 'http://127.0.0.1:8080', 'https://proxy.example:8443', 'https://waggle'])
      assert.equal(statusOf(host, ['Origin', origin]), null, origin)
  })
})
