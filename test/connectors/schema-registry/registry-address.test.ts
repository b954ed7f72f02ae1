import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { type SchemaRegistryOptions, schemaRegistry } from 'waggle-streams'

describe('The address of a schema registry', () => {
  const shown: (string | undefined)[] = []
  // A registry that refuses every caller.
  const server = createServer((request, response) => {
    shown.push(request.headers.authorization)
    response.writeHead(401, { 'content-type': 'application/json' }).end('{"error_code": 401, "message": "Unauthorized"}')
  })
  let host = ''
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    host = typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
  })
  after(() => server.close())

  async function credentialsOf(options: SchemaRegistryOptions): Promise<string | undefined> {
    const serde = schemaRegistry(options).avro()
    const preparing = serde.prepare?.('topic', Buffer.from('000000000102', 'hex')) ?? Promise.resolve()
    await assert.rejects(preparing, {
      code: 'WAGGLE_REGISTRY_UNREACHABLE',
      message: `The schema registry at http://${host} does not let us in: Unauthorized`,
    })
    return shown.at(-1)
  }

  it('may contain a user and a password or have them beside it, and only the registry gets these credentials', async () => {
    const wanted = `Basic ${Buffer.from('us:er:p@ss').toString('base64')}`
    assert.equal(await credentialsOf({ url: `http://${host}/`, auth: { username: 'us:er', password: 'p@ss' } }), wanted)
    assert.equal(await credentialsOf({ url: `http://us%3Aer:p%40ss@${host}` }), wanted)
  })

  it('may have a token, or no credentials', async () => {
    assert.equal(await credentialsOf({ url: `http://${host}`, auth: { token: 'secret' } }), 'Bearer secret')
    assert.equal(await credentialsOf({ url: `http://${host}` }), undefined)
  })

  it('is refused if it is not a URL', () => {
    for (const url of ['localhost:8081', 'registry', '']) assert.throws(() => schemaRegistry({ url }), { code: 'WAGGLE_INVALID_CONFIG' })
  })
})
