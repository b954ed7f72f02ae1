import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo, LookupFunction } from 'node:net'
import { describe, it } from 'node:test'
import { ServerHosts } from '../../../../connectors/models/tensorflow-serving/server-hosts.ts'
import { servingAddress } from '../../../../connectors/models/tensorflow-serving/serving-address.ts'
import { TensorFlowServing } from '../../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { systemClock } from '../../../../connectors/system/system-clock.ts'

const path = '/v1/models/m'

describe('The servers that a url may name', () => {
  it('are the servers on this machine, or the servers in WAGGLE_MODEL_HOSTS if it is set', () => {
    const cases: readonly (readonly [hosts: string | null, allowed: readonly string[], refused: readonly string[]])[] = [
      [
        null,
        ['http://127.0.0.1:8501', 'http://localhost:8501', 'grpc://127.0.0.2', 'grpcs://[::1]:8500', 'https://localhost'],
        ['http://10.0.0.1:8501', 'grpc://serving:8500', 'http://169.254.169.254', 'http://localhost.evil.example', 'http://0.0.0.0:8501'],
      ],
      ['serving:8500', ['grpc://serving', 'grpc://SERVING:8500'], ['grpc://serving:8501', 'http://serving', 'http://127.0.0.1:8501']],
      ['10.0.0.0/8', ['http://10.1.2.3:8501'], ['http://11.1.2.3:8501']],
    ]
    for (const [hosts, allowed, refused] of cases) {
      for (const url of allowed) new ServerHosts(hosts).check(servingAddress(`${url}${path}`))
      for (const url of refused)
        assert.throws(() => new ServerHosts(hosts).check(servingAddress(`${url}${path}`)), {
          code: 'WAGGLE_MODEL_ADDRESS',
          message: /is not in the list of hosts/,
          next: /WAGGLE_MODEL_HOSTS=/,
        })
    }
  })

  it('are not called if their name leads to an address that is not allowed', async () => {
    let asked = 0
    const server = createServer((_, response) => response.end(String(++asked)))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const lookup: LookupFunction = (_, { all }, done) =>
      all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)
    try {
      for (const protocol of ['http', 'https', 'grpc', 'grpcs']) {
        const url = `${protocol}://rebound.example:${port}${path}`
        const open = (hosts: string) =>
          new TensorFlowServing({ clock: systemClock, hosts: new ServerHosts(hosts, lookup) }).open({ url, fit: {}, tls: {}, log: () => {} })
        const before = asked
        await assert.rejects(open('rebound.example'), {
          code: 'WAGGLE_MODEL_ADDRESS',
          message: /is not asked: rebound.example stands for 127.0.0.1/,
        })
        assert.equal(asked, before)
        // If the list also contains the address, the server is called. It is not a TensorFlow Serving, so the call fails.
        await assert.rejects(open('rebound.example, 127.0.0.1'), { code: /ANSWER|AWAY/ }, protocol)
      }
      assert.equal(asked, 1)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })
})
