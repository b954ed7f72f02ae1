import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { askHost } from '../../../connectors/queries/query-client.ts'
import { QueryServer } from '../../../connectors/queries/query-server.ts'

const secret = 'a-secret-of-all-of-them'

describe('The query server of a process', () => {
  let server: QueryServer | null = null
  let asked = 0
  const open = async (address: string, secret: string | null) => {
    asked = 0
    const answer = async () => {
      asked++
      return (async function* () {
        yield { key: 'a' }
      })()
    }
    server = await QueryServer.open(address, { secret, answer })
    return server.address
  }
  const ask = async (host: string, secret: string | null) => {
    const rows: unknown[] = []
    for await (const row of await askHost(host, { store: 's' }, { secret })) rows.push(row)
    return rows
  }
  afterEach(async () => {
    await server?.close()
    server = null
  })

  it('answers only callers with the secret', async () => {
    const host = await open('127.0.0.1:0', secret)
    assert.deepEqual(await ask(host, secret), [{ key: 'a' }])
    for (const wrong of [null, '', 'a-secret-of-all-of-thex', `${secret}x`, secret.slice(1)]) {
      await assert.rejects(ask(host, wrong), (error: Error & { code?: string; next?: string }) => {
        assert.equal(error.code, 'WAGGLE_WRONG_SECRET')
        assert.match(error.next ?? '', /applicationServerSecret/)
        return true
      })
    }
    assert.equal(asked, 1)
    const bare = await fetch(`http://${host}/query`, { method: 'POST', headers: { authorization: secret }, body: '{}' })
    assert.equal(bare.status, 401)
  })

  it('needs no secret on loopback, and does not listen on other addresses without a secret', async () => {
    assert.deepEqual(await ask(await open('localhost:0', null), null), [{ key: 'a' }])
    for (const address of ['0.0.0.0:0', 'example.org:80', '127.0.0.1.example.org:80', '10.0.0.1:0'])
      await assert.rejects(QueryServer.open(address, { secret: null, answer: () => Promise.reject(new Error()) }), {
        code: 'WAGGLE_INVALID_CONFIG',
        next: /applicationServerSecret/,
      })
    await server?.close()
    assert.match(await open('0.0.0.0:0', secret), /^0\.0\.0\.0:\d+$/)
  })
})
