import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type LookupFunction } from 'node:net'
import { describe, it } from 'node:test'
import { NamedStatement } from '../../../bees/postgres/named-statement.ts'
import { PostgresServers } from '../../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../../connectors/postgres/postgres-hosts.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'

/** Answers one look-up after the other, as a name server with changing answers does. */
function addresses(...found: readonly string[]): LookupFunction {
  let at = 0
  return (_, options, done) => {
    const address = found[Math.min(at++, found.length - 1)] ?? ''
    if (options.all === true) done(null, [{ address, family: 4 }])
    else done(null, address, 4)
  }
}

/** A server that closes each connection, and counts them. */
async function countingServer(): Promise<{ readonly port: number; readonly connections: () => number } & AsyncDisposable> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {}).destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, connections: () => connections, [Symbol.asyncDispose]: async () => void server.close() }
}

const open = (db: string, hosts: PostgresHosts) =>
  new PostgresServers({ clock: systemClock, hosts }).open({ db, connections: 1, statementMs: 1000, application: 'test' })

async function described(db: string, hosts: PostgresHosts): Promise<void> {
  const database = open(db, hosts)
  try {
    await database.describe(NamedStatement.parse('SELECT 1'))
  } finally {
    await database.close()
  }
}

describe('The servers of postgres bees', () => {
  it('are reached at no private address under a listed name, even if the addresses of the name change between two look-ups', async () => {
    await using server = await countingServer()
    const db = `postgres://a:hunter2@db.example:${server.port}/shop`
    const rebinding = new PostgresHosts('db.example', addresses('127.0.0.1', '169.254.169.254'))
    for (let again = 0; again < 2; again++)
      await assert.rejects(described(db, rebinding), {
        code: 'WAGGLE_POSTGRES_HOST',
        message: /db\.example is not asked: the name stands for (127\.0\.0\.1|169\.254\.169\.254), which WAGGLE_POSTGRES_HOSTS does not have/,
        next: /Add the address or its network to WAGGLE_POSTGRES_HOSTS/,
      })
    assert.equal(server.connections(), 0)
    await assert.rejects(described(db, new PostgresHosts('db.example,127.0.0.0/8', addresses('127.0.0.1'))), { code: 'WAGGLE_POSTGRES_AWAY' })
    assert.equal(server.connections(), 1)
  })

  it('are refused before anybody is asked if the list does not have them, however the address names them', () => {
    const own = new PostgresHosts(null)
    for (const db of [
      'postgres://a:b@db.example/c',
      'postgres://a:b@10.0.0.1:5432/c',
      'postgres://a:b@169.254.169.254/c',
      'postgres://a:b@%31%30.0.0.1/c',
      'postgres://a:b@localhost/c?host=10.0.0.1',
      'postgres://a:b@[fd00::1]/c',
      'postgres://a:b@localhost%23.db.example/c',
      'postgres://a:b@localhost%2F.db.example/c',
      'postgres://a:b@x%40localhost/c',
    ])
      assert.throws(() => open(db, own), { code: 'WAGGLE_POSTGRES_HOST', message: /is not in the list/, next: /WAGGLE_POSTGRES_HOSTS=/ }, db)
    const listed = new PostgresHosts('db.example:5433')
    for (const db of ['postgres://a:b@db.example/c', 'postgres://a:b@localhost/c', 'postgres:///c?host=/var/run/postgresql'])
      assert.throws(() => open(db, listed), { code: 'WAGGLE_POSTGRES_HOST' }, db)
  })

  it('are this machine and its sockets without a list, or what the list has', async () => {
    for (const [db, hosts] of [
      ['postgres://a:b@localhost/c', null],
      ['postgres://a:b@127.0.0.1:6000/c', null],
      ['postgres://a:b@[::1]/c', null],
      ['postgres:///c?host=/var/run/postgresql', null],
      ['postgres://a:b@db.example:5433/c', 'db.example:5433'],
      ['postgres://a:b@10.0.0.1/c', '10.0.0.0/8'],
    ] as const)
      await open(db, new PostgresHosts(hosts)).close()
  })
})
