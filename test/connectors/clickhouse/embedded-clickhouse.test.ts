import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
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
    database = new ClickHouseDatabase({ url: server.url, socketPath: server.writerSocket, clock: systemClock, random: new SystemRandom() })
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

  /** Runs a statement through the private socket. */
  function written(sql: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: server.writerSocket, method: 'POST', path: '/' }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))))
      })
      asked.on('error', reject).end(sql)
    })
  }

  /** Sends a statement over HTTP. Returns the status, ClickHouse's error code, and the text. */
  async function asked(sql: string, path = '/?'): Promise<{ status: number; code: string | null; text: string }> {
    const answer = await get(path, { method: 'POST', body: sql })
    return { status: answer.status, code: answer.headers.get('x-clickhouse-exception-code'), text: await answer.text() }
  }

  function get(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${server.url}${path}`, init)
  }

  it('returns a saved row unchanged, over plain HTTP and to the official client', async () => {
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

  it('stores a repeated row once, even if the repetition arrives in another block', async () => {
    const table = await database.openTable({ table: 'once', log: () => {} })
    await table.insert([row(1), row(2)], signal)
    await table.insert([row(1), row(2)], signal)
    await table.insert([row(2), row(3), row(3, 'other')], signal)
    assert.equal(await count('once'), 4)
  })

  it('creates tables in databases other than the default one', async () => {
    const table = await database.openTable({ table: 'lab.predictions', log: () => {} })
    await table.insert([row(1)], signal)
    assert.equal(await count('lab.predictions'), 1)
  })

  it('refuses a table that would count a repeated row twice: a plain table, a view without FINAL, or an engine without replacement', async () => {
    const columns = `swarm String, bee String, request_id String, model String, label String, score Float64, scores Map(String, Float64), payload String,
      latency_ms Float64, batch_size UInt32, predicted_at DateTime64(3), topic String, partition Int32, offset Int64`
    const refused = async (table: string) => {
      const error: unknown = await database.openTable({ table, log: () => {} }).catch((thrown: unknown) => thrown)
      assert.ok(error instanceof WaggleError && error.code === 'WAGGLE_TABLE_MISMATCH', String(error))
      assert.match(error.next, /spec\.table/)
      return error.message
    }
    await written(`CREATE TABLE plain (${columns}) ENGINE = MergeTree ORDER BY swarm`)
    assert.match(await refused('plain'), /plain is a table \(MergeTree\).*repeated row/)
    await written(`CREATE TABLE doubled_rows (${columns}) ENGINE = MergeTree ORDER BY (swarm, bee, request_id)`)
    assert.match(await refused('doubled'), /doubled_rows.*MergeTree/)
    await written(`CREATE TABLE unsorted_rows (${columns}) ENGINE = ReplacingMergeTree ORDER BY (swarm, bee)`)
    assert.match(await refused('unsorted'), /unsorted_rows.*swarm, bee/)
    await written(`CREATE TABLE loose_rows (${columns}) ENGINE = ReplacingMergeTree ORDER BY (swarm, bee, request_id)`)
    await written('CREATE VIEW loose AS SELECT * FROM loose_rows')
    assert.match(await refused('loose'), /loose.*FINAL/)
    await written('CREATE VIEW loose_again AS SELECT * FROM loose_rows FINAL')
    assert.match(await refused('loose_again'), /loose_again.*loose_again_rows/)
    const mended = await database.openTable({ table: 'mended', log: () => {} })
    await mended.insert([row(1)], signal)
    await (await database.openTable({ table: 'mended', log: () => {} })).insert([row(1)], signal)
    assert.equal(await count('mended'), 1)
  })

  it('migrates a table of an older Waggle once, keeps its rows, and lists the migrations', async () => {
    const old = `CREATE TABLE older_rows (swarm String, bee String, request_id String, model String, label String, score Float64, scores Map(String, Float64),
      payload String, latency_ms Float64, batch_size UInt32, predicted_at DateTime64(3), topic String, partition Int32, offset Int64)
      ENGINE = ReplacingMergeTree ORDER BY (swarm, bee, request_id)`
    await written(old)
    await written('CREATE VIEW older AS SELECT * FROM older_rows FINAL')
    await written(
      `INSERT INTO older_rows (swarm, bee, request_id, label, payload, predicted_at) VALUES ('test', 'model', 'first', 'teddy', '{"version":"7"}', now())`,
    )
    const said: string[] = []
    const open = () => database.openTable({ table: 'older', log: (_, message) => void said.push(message) })
    await (await open()).insert([{ ...row(2), predicted_at: Date.now() }], signal)
    await open()
    assert.deepEqual(said, [])
    assert.equal(await count('older'), 2)
    assert.equal(await count(`waggle_migrations WHERE table_name = 'older'`), 7)
    const { text } = await asked('SELECT version, predictions FROM older_by_hour ORDER BY version FORMAT CSV')
    assert.deepEqual(text.trim().split('\n').toSorted(), ['"",1', '"7",1'])
  })

  it('still saves rows, and makes its other views, if a table of the user has the name of one of its views', async () => {
    await written('CREATE TABLE taken_drift (a Int8) ENGINE = ReplacingMergeTree ORDER BY a')
    const said: string[] = []
    const table = await database.openTable({ table: 'taken', log: (_, message) => void said.push(message) })
    await table.insert([row(1)], signal)
    assert.match(said.join('\n'), /^The view of drift of the table taken is left out: taken_drift is a table/)
    assert.equal(await count('taken'), 1)
    assert.equal(await count('taken_by_hour'), 1)
  })

  it('measures the drift of scores by comparison with the week before', async () => {
    const table = await database.openTable({ table: 'drifting', log: () => {} })
    const day = 24 * 3_600_000
    const at = (id: number, score: number, predicted_at: number): PredictionRow => ({ ...row(id), scores: { teddy: score }, predicted_at })
    const ids = [...Array(40).keys()]
    await table.insert([...ids.map((id) => at(id, 0.1, Date.now() - 10 * day)), ...ids.map((id) => at(100 + id, 0.9, Date.now() - day))], signal)
    const { text } = await asked('SELECT label, predictions, predictions_before, round(drift, 2), population_stability > 1 FROM drifting_drift')
    assert.equal(text, 'teddy\t40\t40\t0.8\t1\n')
  })

  it('refuses a table whose columns do not fit, and names the column', async () => {
    await written('CREATE TABLE theirs (swarm String, bee Int32) ENGINE = ReplacingMergeTree ORDER BY swarm')
    await assert.rejects(database.openTable({ table: 'theirs', log: () => {} }), (error: unknown) => {
      assert.ok(error instanceof WaggleError)
      assert.equal(error.code, 'WAGGLE_TABLE_MISMATCH')
      assert.match(error.message, /theirs has a column bee of Int32, where String is needed/)
      return true
    })
    await assert.rejects(database.openTable({ table: 'a; DROP TABLE once', log: () => {} }), /is not a valid name for a table/)
  })

  it('neither loses nor doubles a row if its process is killed during inserts, and restarts on the same port', async () => {
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

  it('keeps an insert waiting while the server is unreachable, until the caller gives up', async () => {
    const lines: string[] = []
    const nowhere = new ClickHouseDatabase({ url: 'http://127.0.0.1:9', socketPath: null, clock: systemClock, random: new SystemRandom() })
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
    const zipped = await get('/?enable_http_compression=1', { method: 'POST', body: 'SELECT 7', headers: { 'accept-encoding': 'gzip' } })
    assert.equal(await zipped.text(), '7\n')
    assert.equal((await get('/', { method: 'PUT', body: 'SELECT 1' })).status, 405)
    assert.equal((await get('/play')).status, 404)
  })

  it('answers SHOW, DESCRIBE, EXISTS and EXPLAIN in the format that the caller chooses', async () => {
    await database.openTable({ table: 'shown', log: () => {} })
    assert.match((await asked('SHOW TABLES')).text, /^shown$/m)
    assert.match((await asked('DESCRIBE shown')).text, /^swarm\tString/)
    assert.equal((await asked('EXISTS TABLE shown')).text, '1\n')
    assert.equal((await asked('EXPLAIN SELECT 1')).status, 200)
    const rows = await client.query({
      query: 'SELECT toUInt64(7) AS seven, {list:Array(String)} AS list',
      query_params: { list: ['teddy', 'bear'] },
      format: 'JSONEachRow',
      clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
    })
    assert.deepEqual(await rows.json(), [{ seven: '7', list: ['teddy', 'bear'] }])
  })

  it('refuses statements that write, change a setting or stop a query, and keeps every table', async () => {
    const table = await database.openTable({ table: 'kept', log: () => {} })
    await table.insert([row(1)], signal)
    const writes = [
      ['INSERT INTO kept_rows (swarm) VALUES (1)', '164'],
      ['INSERT INTO kept_rows (swarm) SELECT 1', '164'],
      ['CREATE TABLE x (a Int32) ENGINE = Memory', '164'],
      ['CREATE TEMPORARY TABLE x (a Int32)', '164'],
      ['DROP TABLE kept', '164'],
      ['TRUNCATE TABLE kept_rows', '164'],
      ['ALTER TABLE kept_rows DELETE WHERE 1', '164'],
      ['DELETE FROM kept_rows WHERE 1', '164'],
      ['OPTIMIZE TABLE kept_rows FINAL', '164'],
      ['ATTACH TABLE x', '164'],
      ['DETACH TABLE kept_rows', '164'],
      ["BACKUP TABLE kept_rows TO File('/tmp/x')", '164'],
      ['SYSTEM STOP MERGES', '164'],
      ['KILL QUERY WHERE 1', '164'],
      ['CHECK TABLE kept', '164'],
      ['SET max_threads = 4', '164'],
      ['SET ROLE NONE', '164'],
      ['USE system', '164'],
      ['SELECT 1 SETTINGS readonly = 0', '164'],
      ['SELECT * FROM (SELECT 1 SETTINGS readonly = 0)', '164'],
      ["SELECT 1 INTO OUTFILE '/tmp/waggle-never'", '164'],
      ["SELECT 1 INTO/**/OUTFILE '/tmp/waggle-never' TRUNCATE FORMAT CSV", '164'],
      ["SHOW TABLES INTO OUTFILE '/tmp/waggle-never'", '164'],
      ['SELECT 1; DROP TABLE kept', '62'],
      ['SELECT 1 /* ; */; SELECT 2', '62'],
    ]
    for (const [sql = '', code] of writes) {
      const answer = await asked(sql)
      assert.notEqual(answer.status, 200, sql)
      assert.equal(answer.code, code, `${sql}: ${answer.text}`)
    }
    for (const sql of ['exit', '\\! id', '\\i /etc/passwd', 'source /etc/passwd']) assert.notEqual((await asked(sql)).status, 200, sql)
    assert.equal((await asked('SELECT 1', '/?readonly=0')).code, '164')
    assert.equal((await asked('SELECT 1', '/?max_memory_usage=0')).code, '164')
    assert.equal((await asked('DROP TABLE kept', '/?query=SELECT%201%3B')).code, '62')
    assert.equal((await asked("SELECT ';', '--' AS `;`")).text, ';\t--\n')
    assert.equal(existsSync('/tmp/waggle-never'), false)
    assert.equal(await count('kept'), 1)
  })

  it('refuses statements that read a file, a host, a server or a program', async () => {
    const sources = [
      "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      "INSERT INTO FUNCTION file('/tmp/waggle-never', 'CSV', 'a Int32') SELECT 1",
      "SELECT file('/etc/passwd')",
      "SELECT `file`('/etc/passwd')",
      "SELECT * APPLY(file) FROM (SELECT '/etc/passwd' AS a)",
      "SELECT arrayMap(file, ['/etc/passwd'])",
      'SELECT * FROM `/etc/passwd`',
      "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
      "SELECT * FROM s3('http://127.0.0.1:1/abc/def', 'LineAsString')",
      "SELECT * FROM remote('127.0.0.1', 'system', 'one')",
      "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
      "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
      "SELECT * FROM executable('id', 'TSV', 'a String')",
      "SELECT * FROM python('x')",
      "SELECT * FROM jdbc('x', 'y')",
      "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')",
      "SELECT * FROM sqlite('/tmp/x', 'y')",
      "SELECT * FROM input('a Int32')",
      "SELECT * FROM filesystem('/etc')",
      "DESCRIBE file('/etc/passwd', 'LineAsString')",
      "EXPLAIN SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
      'SELECT * FROM system.users',
    ]
    for (const sql of sources) {
      const answer = await asked(sql)
      assert.notEqual(answer.status, 200, `${sql}: ${answer.text}`)
      assert.doesNotMatch(answer.text, /root:/)
    }
    const named = await asked("SELECT arrayMap({f:Identifier}, ['/etc/passwd'])", '/?param_f=file')
    assert.notEqual(named.status, 200, named.text)
  })

  it('saves rows while endless queries run, and cancels a query whose client disconnects', async () => {
    const table = await database.openTable({ table: 'beside', log: () => {} })
    const leave = new AbortController()
    const endless = Array.from({ length: 6 }, () =>
      get('/?query=SELECT%20count()%20FROM%20system.numbers', { signal: leave.signal }).then(
        () => 'answered',
        () => 'left',
      ),
    )
    while (!(await written('SELECT query FROM system.processes')).includes('FROM system.numbers')) await turn()
    await table.insert([row(1)], signal)
    assert.equal(await written('SELECT count() FROM beside'), '1\n')
    leave.abort()
    assert.deepEqual([...new Set(await Promise.all(endless))], ['left'])
    while ((await written('SELECT query FROM system.processes')).includes('FROM system.numbers')) await turn()
    assert.equal((await asked('SELECT 1')).text, '1\n')
  })

  it('limits the memory of a query and the size of its answer', async () => {
    assert.equal((await asked('SELECT groupArray(number) FROM system.numbers')).code, '241')
    assert.equal((await asked("SELECT repeat('x', 1000) FROM numbers(2000000)")).code, '241')
    assert.equal((await asked("SELECT repeat('x', 1000) FROM numbers(100000)")).code, '396')
    assert.equal((await asked('SELECT number FROM numbers(2000000)')).code, '396')
  })

  it('refuses pages of other sites, foreign host names, and requests for a picture from a page of another site', async () => {
    const { port } = new URL(server.url)
    for (const [headers, status] of [
      [{ 'sec-fetch-site': 'cross-site' }, 403],
      [{ origin: 'http://evil.example' }, 403],
      [{ host: `evil.example:${port}` }, 421],
    ] as const) {
      const got = await new Promise<number | undefined>((resolve, reject) =>
        request(`${server.url}/?query=SELECT%201`, { headers }, (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end(),
      )
      assert.equal(got, status)
    }
  })

  it('ends when the process that started it ends, even while a query runs', async () => {
    const other = mkdtempSync(join(tmpdir(), 'waggle-clickhouse-'))
    const parent = fork(new URL('./clickhouse-parent.ts', import.meta.url), [other])
    const { url, pid } = await new Promise<{ url: string; pid: number }>((resolve) => parent.once('message', resolve as () => void))
    const asking = fetch(`${url}/?query=SELECT%20count()%20FROM%20system.numbers%20WHERE%20NOT%20ignore(sipHash64(number))`).catch(() => null)
    while (!(await (await fetch(`${url}/?query=SELECT%20query%20FROM%20system.processes`)).text()).includes('sipHash64(number)')) await turn()
    parent.kill('SIGKILL')
    await asking
    while (isAlive(pid)) await turn()
    rmSync(other, { recursive: true })
  })

  it('answers a wrong query with ClickHouse’s own error code and message', async () => {
    const syntax = await get(`/?query=${encodeURIComponent('SELEC 1')}`, { method: 'POST' })
    assert.deepEqual([syntax.status, syntax.headers.get('x-clickhouse-exception-code')], [400, '62'])
    assert.match(await syntax.text(), /SYNTAX_ERROR/)
    await assert.rejects(client.query({ query: 'SELECT * FROM nowhere' }), (error: unknown) => {
      assert.equal((error as { code: string; type: string }).code, '60')
      assert.equal((error as { type: string }).type, 'UNKNOWN_TABLE')
      return true
    })
  })

  it('fails at start with the next step if the port is in use', async () => {
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

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
