import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { NamedStatement } from '../../../bees/postgres/named-statement.ts'
import { PostgresServers } from '../../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../../connectors/postgres/postgres-hosts.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { OpenPostgres, StatementCall } from '../../../topology/swarm/ports/postgres.ts'
import { Secret } from '../../../topology/swarm/secrets/secret.ts'
import { freePort } from '../../support/free-port.ts'
import { PostgresServer, skipsPostgres } from '../../support/postgres-server.ts'
import { eventually } from '../../support/swarm-here.ts'
import { SwitchableProxy } from '../../support/switchable-proxy.ts'

const signal = new AbortController().signal

function call(query: string, values: StatementCall['values'], effect: StatementCall['effect']): StatementCall {
  return { statement: NamedStatement.parse(query), values, signal, maxRows: 100, effect }
}

describe('A PostgreSQL database', { skip: skipsPostgres() }, () => {
  let server: PostgresServer
  let database: OpenPostgres
  before(async () => {
    server = await PostgresServer.start()
    await server.query('CREATE TABLE rows (id serial, label text)')
    database = new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }).open({
      db: new Secret(server.url()),
      connections: 4,
      statementMs: 5000,
      application: 'test',
    })
  })
  after(async () => {
    await database?.close()
    await server?.[Symbol.asyncDispose]()
  })

  it('writes a request once, regardless of the number of repetitions and connections, and returns the first rows each time', async () => {
    assert.equal(await database.makeWriteTable(), true)
    const insert = (requestId: string) =>
      database.run(call('INSERT INTO rows (label) VALUES (:label) RETURNING id, label', ['a'], { once: { swarm: 's', bee: 'b', requestId } }))
    const results = await Promise.all([insert('1'), insert('1'), insert('1'), insert('2')])
    results.push(await insert('1'))
    assert.deepEqual(new Set(results.map((rows) => rows[0]?.id)).size, 2)
    assert.deepEqual(await server.query('SELECT count(*)::int FROM rows'), [{ count: 2 }])
  })

  it('forgets a failed write, so that its repetition can succeed', async () => {
    const once = { once: { swarm: 's', bee: 'b', requestId: 'failing' } }
    await assert.rejects(database.run(call('INSERT INTO later VALUES (1)', [], once)), { code: 'WAGGLE_POSTGRES_QUERY' })
    await server.query('CREATE TABLE later (n int)')
    await database.run(call('INSERT INTO later VALUES (1)', [], once))
    await database.run(call('INSERT INTO later VALUES (1)', [], once))
    assert.deepEqual(await server.query('SELECT * FROM later'), [{ n: 1 }])
  })

  it('continues when the connection of a running statement breaks', async () => {
    await using proxy = await SwitchableProxy.before(`http://127.0.0.1:${server.port}/`)
    const db = new URL(server.url())
    db.port = new URL(proxy.url).port
    const proxied = new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }).open({
      db: new Secret(db.href),
      connections: 1,
      statementMs: 5000,
      application: 'proxied',
    })
    const running = async () => (await server.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'proxied' AND state = 'active'")).length
    const sleeping = assert.rejects(proxied.run(call('SELECT pg_sleep(60)', [], 'any')), { code: 'WAGGLE_POSTGRES_AWAY' })
    await eventually(async () => (await running()) === 1)
    proxy.goAway()
    await sleeping
    proxy.comeBack()
    assert.deepEqual(await proxied.run(call('SELECT 1 AS one', [], 'read')), [{ one: 1 }])
    await proxied.close()
  })

  it('names the types of parameters and columns without running the statement', async () => {
    const statement = NamedStatement.parse("INSERT INTO rows (label) VALUES (:label) RETURNING id, now() AS at, '{}'::jsonb[] AS list")
    const described = await database.describe(statement)
    assert.deepEqual(described.parameters, ['text'])
    assert.deepEqual(described.columns, [
      { name: 'id', type: 'integer' },
      { name: 'at', type: 'timestamp with time zone' },
      { name: 'list', type: 'jsonb[]' },
    ])
  })

  it('runs a prepared statement again after the statement’s table has changed', async () => {
    await server.query('CREATE TABLE changing (a int); INSERT INTO changing VALUES (1)')
    const select = () => database.run(call('SELECT * FROM changing', [], 'read'))
    assert.deepEqual(await select(), [{ a: 1 }])
    await server.query('ALTER TABLE changing ADD COLUMN b int DEFAULT 2')
    assert.deepEqual(await select(), [{ a: 1, b: 2 }])
  })

  it('ends a call at once when the call’s request is aborted, and serves the next call', async () => {
    const abort = new AbortController()
    const slow = database.run({ ...call('SELECT pg_sleep(4)', [], 'read'), signal: abort.signal })
    await database.run(call('SELECT 1 AS one', [], 'read'))
    abort.abort(new Error('enough'))
    await assert.rejects(slow, /enough/)
    assert.deepEqual(await database.run(call('SELECT 2 AS two', [], 'read')), [{ two: 2 }])
  })

  it('lets a call wait for a free connection until the call’s own signal aborts', async () => {
    const narrow = new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }).open({
      db: server.url(),
      connections: 1,
      statementMs: 5000,
      application: 'test',
    })
    const [running, waiting] = [new AbortController(), new AbortController()]
    let isRunning = true
    const slow = narrow.run({ ...call('SELECT pg_sleep(4)', [], 'read'), signal: running.signal }).finally(() => {
      isRunning = false
    })
    const ended = assert.rejects(slow, /over/)
    const waits = narrow.run({ ...call('SELECT 1', [], 'read'), signal: waiting.signal })
    waiting.abort(new Error('enough'))
    await assert.rejects(waits, /enough/)
    assert.equal(isRunning, true)
    const next = narrow.run(call('SELECT 2 AS two', [], 'read'))
    running.abort(new Error('over'))
    await ended
    assert.deepEqual(await next, [{ two: 2 }])
    await narrow.close()
  })
})

describe('A PostgreSQL server that is unreachable', () => {
  it('is retried for ten seconds, and then the call fails without showing a password', async () => {
    const waits: number[] = []
    let nowMs = 0
    const clock = {
      now: () => nowMs,
      elapsedMs: () => nowMs,
      after(delayMs: number, callback: () => void) {
        nowMs += delayMs
        waits.push(delayMs)
        setImmediate(callback)
        return () => {}
      },
    }
    const db = `postgres://waggle:hunter2@127.0.0.1:${await freePort()}/shop`
    const database = new PostgresServers({ clock, hosts: new PostgresHosts(null) }).open({
      db,
      connections: 1,
      statementMs: 1000,
      application: 'test',
    })
    await assert.rejects(database.run(call('SELECT 1', [], 'any')), (error: Error & { code: string }) => {
      assert.equal(error.code, 'WAGGLE_POSTGRES_AWAY')
      assert.match(error.message, /^PostgreSQL shop on 127\.0\.0\.1:\d+ cannot be reached: .*ECONNREFUSED/)
      assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /hunter2/)
      return true
    })
    assert.deepEqual(waits.slice(0, 6), [100, 200, 400, 800, 1600, 2000])
    assert.ok(nowMs <= 10_000 && nowMs > 8_000, `${nowMs}`)
    await database.close()
  })
})
