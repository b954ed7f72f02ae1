import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type ClickHouseClient, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { ClickHouseDatabase } from '../../../connectors/clickhouse/clickhouse-database.ts'
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from '../../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import type { PredictionRow } from '../../../topology/swarm/ports/database.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('The embedded ClickHouse', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-clickhouse-'))
  const { signal } = new AbortController()
  let server: EmbeddedClickHouse
  let client: ClickHouseClient
  let database: ClickHouseDatabase

  before(async () => {
    server = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
    client = createClient({ url: server.url, log: { level: ClickHouseLogLevel.OFF } })
    database = new ClickHouseDatabase({ url: server.url, clock: systemClock, random: new SystemRandom() })
  })

  after(async () => {
    await database.close()
    await client.close()
    await server.close()
    rmSync(directory, { recursive: true })
  })

  const row = (id: number, bee = 'model'): PredictionRow => ({
    swarm: 'test',
    bee,
    request_id: `request-${id}`,
    model: "it's a \\ model",
    label: 'teddy',
    score: 0.75,
    scores: { teddy: 0.75, bear: 0.25 },
    payload: '{"label":"teddy"}',
    latency_ms: 12.5,
    batch_size: 10,
    predicted_at: 1_700_000_000_123,
    topic: 'waggle.test.model',
    partition: 3,
    offset: 12n,
  })

  async function count(table: string): Promise<number> {
    const found = await client.query({ query: `SELECT count() AS count FROM ${table}`, format: 'JSONEachRow' })
    const [first] = await found.json<{ count: string | number }>()
    return Number(first?.count)
  }

  function get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${server.url}${path}`, init)
  }

  it('keeps a row as it was, whoever asks', async () => {
    const table = await database.openTable({ table: 'as_it_was', log: () => {} })
    await table.insert([row(1)], signal)
    const found = await client.query({ query: 'SELECT * FROM as_it_was', format: 'JSONEachRow' })
    const [saved] = await found.json<{ [column: string]: unknown }>()
    const { predicted_at, offset, ...rest } = row(1)
    assert.deepEqual({ ...saved, offset: String(saved?.offset) }, { ...rest, predicted_at: '2023-11-14 22:13:20.123', offset: String(offset) })
    assert.equal(predicted_at, 1_700_000_000_123)
    const text = await (await get(`/?query=${encodeURIComponent("SELECT label, scores['bear'] FROM as_it_was")}`)).text()
    assert.equal(text, 'teddy\t0.25\n')
  })

  it('counts a row once, however often and in whatever block it comes', async () => {
    const table = await database.openTable({ table: 'once', log: () => {} })
    await table.insert([row(1), row(2)], signal)
    await table.insert([row(1), row(2)], signal)
    await table.insert([row(2), row(3), row(3, 'other')], signal)
    assert.equal(await count('once'), 4)
  })

  it('takes tables of other databases, and makes them', async () => {
    const table = await database.openTable({ table: 'lab.predictions', log: () => {} })
    await table.insert([row(1)], signal)
    assert.equal(await count('lab.predictions'), 1)
  })

  it('refuses a table whose columns do not fit, naming the column', async () => {
    await client.command({ query: 'CREATE TABLE theirs (swarm String, bee Int32) ENGINE = MergeTree ORDER BY swarm' })
    await assert.rejects(database.openTable({ table: 'theirs', log: () => {} }), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_TABLE_MISMATCH')
      assert.match(error.message, /theirs has a column bee of Int32, where String is needed/)
      return true
    })
    await assert.rejects(database.openTable({ table: 'a; DROP TABLE once', log: () => {} }), /is no name of a table/)
  })

  it('loses nothing and doubles nothing when its process is killed during inserts, and comes back on the same port', async () => {
    const table = await database.openTable({ table: 'killed', log: () => {} })
    const { url } = server
    let sent = 0
    for (let round = 0; round < 3; round++) {
      const inserts = Array.from({ length: 10 }, () => table.insert([row(++sent), row(++sent)], signal))
      process.kill(server.pid ?? 0, 'SIGKILL')
      await Promise.all(inserts)
    }
    assert.equal(server.url, url)
    assert.equal(await count('killed'), sent)
  })

  it('waits for a server that is away, and gives up when it is told to', async () => {
    const lines: string[] = []
    const nowhere = new ClickHouseDatabase({ url: 'http://127.0.0.1:9', clock: systemClock, random: new SystemRandom() })
    const table = await nowhere.openTable({ table: 'later', log: (_, line) => lines.push(line) })
    assert.match(lines[0] ?? '', /ClickHouse is away .*predictions wait in the log/)
    const abort = new AbortController()
    const inserting = table.insert([row(1)], abort.signal)
    abort.abort()
    await assert.rejects(inserting, /given up/)
    await nowhere.close()
  })

  it('answers as ClickHouse’s HTTP interface does: parameters, formats, gzip, ping, read-only GET', async () => {
    assert.equal(await (await get('/ping')).text(), 'Ok.\n')
    const parameters = `/?query=${encodeURIComponent('SELECT {n:UInt32} + 1, {s:String}')}&param_n=41&param_s=${encodeURIComponent("it's")}`
    assert.equal(await (await get(parameters)).text(), "42\tit\\'s\n")
    const json = await get(`/?query=${encodeURIComponent('SELECT 1 AS one FORMAT JSON')}`)
    assert.match(json.headers.get('content-type') ?? '', /^application\/json/)
    assert.equal(((await json.json()) as { rows: number }).rows, 1)
    const body = await get('/?query=INSERT%20INTO%20bodies%20FORMAT%20JSONEachRow', { method: 'POST', body: '{"a":1}' })
    assert.equal(body.status, 404)
    await get('/', { method: 'POST', body: 'CREATE TABLE bodies (a Int32) ENGINE = MergeTree ORDER BY a' })
    await get('/?query=INSERT%20INTO%20bodies%20FORMAT%20JSONEachRow', { method: 'POST', body: '{"a":1}\n{"a":2}' })
    assert.equal(await count('bodies'), 2)
    const zipped = await get('/?enable_http_compression=1', { method: 'POST', body: 'SELECT 7', headers: { 'accept-encoding': 'gzip' } })
    assert.equal(await zipped.text(), '7\n')
    const readOnly = await get(`/?query=${encodeURIComponent('DROP TABLE bodies')}`)
    assert.deepEqual([readOnly.status, readOnly.headers.get('x-clickhouse-exception-code')], [500, '164'])
    assert.equal((await get('/', { method: 'POST', body: 'SELECT 1', headers: { origin: 'http://evil.example' } })).status, 403)
  })

  it('says what is wrong with a query with ClickHouse’s own code and words', async () => {
    const syntax = await get(`/?query=${encodeURIComponent('SELEC 1')}`, { method: 'POST' })
    assert.deepEqual([syntax.status, syntax.headers.get('x-clickhouse-exception-code')], [400, '62'])
    assert.match(await syntax.text(), /SYNTAX_ERROR/)
    await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), (error: unknown) => {
      assert.equal((error as { code: string; type: string }).code, '60')
      assert.equal((error as { type: string }).type, 'UNKNOWN_TABLE')
      return true
    })
  })

  it('cannot start on a port in use, and says what to do', async () => {
    const taken = createServer()
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { readonly port: number }).port)),
    )
    const other = mkdtempSync(join(tmpdir(), 'waggle-clickhouse-'))
    await assert.rejects(
      startEmbeddedClickHouse({ directory: other, host: '127.0.0.1', port, clock: systemClock, log: () => {} }),
      (error: unknown) => {
        assert.ok(error instanceof WaggleError)
        assert.equal(error.code, 'WAGGLE_PORT_IN_USE')
        assert.match(error.next, /WAGGLE_CLICKHOUSE_PORT/)
        return true
      },
    )
    rmSync(other, { recursive: true })
    await new Promise((resolve) => taken.close(resolve))
  })
})
