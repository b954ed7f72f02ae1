import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { ClickHouseDatabase } from '../../../connectors/clickhouse/clickhouse-database.ts'
import { type EmbeddedClickHouse, startEmbeddedClickHouse } from '../../../connectors/clickhouse/embedded-clickhouse.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../../connectors/system/system-random.ts'
import { SimulatedRandom } from '../../../processor/simulation/simulated-random.ts'
import type { PredictionRow } from '../../../topology/swarm/ports/database.ts'

describe('A statement on the public port of the embedded ClickHouse', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-clickhouse-'))
  const outfile = join(directory, 'never')
  const secret = readFileSync('/etc/hostname', 'utf8').trim()
  let server: EmbeddedClickHouse

  before(async () => {
    server = await startEmbeddedClickHouse({ directory: join(directory, 'data'), host: '127.0.0.1', port: 0, clock: systemClock, log: () => {} })
  })

  after(async () => {
    await server.close()
    rmSync(directory, { recursive: true })
  })

  async function asked(sql: string, path = '/'): Promise<{ readonly status: number; readonly code: string | null; readonly text: string }> {
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', body: sql })
    return { status: answer.status, code: answer.headers.get('x-clickhouse-exception-code'), text: await answer.text() }
  }

  async function refused(sql: string, code: string, path?: string): Promise<void> {
    const answer = await asked(sql, path)
    assert.equal(answer.code, code, `${sql}: ${answer.text}`)
    assert.equal(existsSync(outfile), false, sql)
  }

  it('cannot read a file by a quoted name', async () => {
    for (const sql of [
      "SELECT 1 AS `a'`, file('/etc/hostname') AS `b'`",
      'SELECT 1 AS "a\'", file(\'/etc/hostname\') AS "b\'"',
      "SELECT 1 AS `a'`, `file`('/proc/self/environ') AS `b'`",
      "SELECT 1 AS `a'`, `fi\\x6ce`('/etc/hostname') AS `b'`",
      "SELECT 1 AS `a\\``, file('/etc/hostname') AS `b\\``",
      "SELECT 1 AS `a'`, arrayMap(file, ['/etc/hostname']) AS `b'`",
      "SELECT 1 AS `a'`, * APPLY(file) FROM (SELECT '/etc/hostname' AS `b'`)",
      "SELECT $a$'$a$, file('/etc/hostname'), $a$'$a$",
      "SELECT ‘'’, file('/etc/hostname')",
      "WITH x -> file(x) AS `f'` SELECT `f'`('/etc/hostname')",
    ])
      await refused(sql, '497')
    for (const name of ['file', '`file`', 'fi\\x6ce', 'FILE'])
      await refused("SELECT 1 AS `a'`, arrayMap({f:Identifier}, ['/etc/hostname']) AS `b'`", '497', `/?param_f=${encodeURIComponent(name)}`)
  })

  it('cannot write a file by a quoted name', async () => {
    for (const end of ['', ' TRUNCATE', ' APPEND', ' AND STDOUT'])
      for (const format of ['', ' FORMAT TSV'])
        for (const before of ['', 'EXPLAIN ', 'EXPLAIN AST '])
          await refused(`${before}SELECT 1 AS \`a'\` INTO OUTFILE '${outfile}'${end}${format}`, '164')
  })

  it('can call only table functions that read no data, also in DESCRIBE', async () => {
    for (const call of [`sqlite('${outfile}', 't')`, `\`sqlite\`('${outfile}', 't')`, `SQLite('${outfile}', 't')`])
      for (const sql of [
        `SELECT * FROM ${call}`,
        `DESCRIBE TABLE ${call}`,
        `DESCRIBE (SELECT * FROM ${call})`,
        `SELECT (SELECT count() FROM ${call})`,
        `SELECT 1 IN (SELECT 1 FROM ${call})`,
        `SELECT 1 IN ${call}`,
        `EXPLAIN SELECT * FROM view(SELECT * FROM ${call})`,
      ])
        await refused(sql, '497')
    for (const call of [
      "eval('SELECT 1')",
      "merge('system', '.*')",
      'loop(numbers(1))',
      "dictionary('x')",
      "fuzzJSON('x')",
      "remote('localhost', 'a.b')",
    ])
      await refused(`SELECT * FROM ${call}`, '497')
    await refused("SELECT hasColumnInTable('127.0.0.1:1', 'system', 'one', 'dummy')", '497')
    await refused("SELECT catboostEvaluate('/etc/hostname', 1)", '497')
    const values = await asked("SELECT * FROM format(Values, 'a String', '(file(\\'/etc/hostname\\'))')")
    assert.notEqual(values.status, 200, values.text)
  })

  it('can use numbers, values, views and any alias', async () => {
    for (const [sql, text] of [
      ['SELECT sum(number) FROM numbers(4)', '6\n'],
      ['SELECT a FROM view(SELECT 1 AS a)', '1\n'],
      ["SELECT * FROM values('a UInt8', 1, 2)", '1\n2\n'],
      ["SELECT format('{}-{}', 'a', 'b')", 'a-b\n'],
      ["SELECT 1 AS `it's`, 'INTO OUTFILE file(' AS `INTO OUTFILE`, 'é' AS `file(`", '1\tINTO OUTFILE file(\té\n'],
      ['SELECT 1 - -1, - - 1, -(-2), 0x1F, 1e-3, [1, 2][1], (1, 2).2', '2\t1\t2\t31\t0.001\t1\t2\n'],
      ['SELECT url FROM (SELECT 1 AS url, 2 AS cluster) WHERE url IN (1)', '1\n'],
      ['SELECT 1 AS `x FORMAT TSV` FORMAT CSV', '1\n'],
    ] as const)
      assert.deepEqual(await asked(sql), { status: 200, code: null, text }, sql)
  })

  it('is refused if it reads a file and answered if it does not, regardless of quotes, comments and escapes around the function', async () => {
    const random = new SimulatedRandom(1)
    const below = (end: number) => Math.floor(random.next() * end)
    const one = <T>(of: readonly [T, ...T[]]): T => of[below(of.length)] ?? of[0]
    const pieces = [
      "'",
      '"',
      '`',
      '\\',
      '$',
      '$t$',
      '--',
      '/*',
      '*/',
      '#',
      ' ',
      '\n',
      'é',
      '‘',
      'file(',
      'INTO OUTFILE',
      ';',
      'a',
      "''",
      '{',
      ')',
    ] as const
    const raw = () => Array.from({ length: below(5) }, () => one(pieces)).join('')
    const quoted = (text: string, quote: string) =>
      quote + text.replaceAll('\\', '\\\\').replaceAll(quote, one([quote + quote, `\\${quote}`])) + quote
    const gap = () =>
      one([
        ' ',
        '\n',
        ` /* ${raw()
          .replaceAll(/\/\*|\*\//g, '')
          .replaceAll(/[*/]/g, '')} */ `,
        ` -- ${raw().replaceAll('\n', '')}\n`,
        ` # ${raw().replaceAll('\n', '')}\n`,
      ])
    const literal = () => one([quoted(raw(), "'"), `$h$${raw().replaceAll('$', '')}$h$`, '1', '1.5', '[1]'])
    let count = 0
    const column = () => `${literal()}${gap()}AS${gap()}${quoted(`c${count++}${raw()}`, one(['`', '"']))}`
    const columns = () => Array.from({ length: 1 + below(3) }, column).join(`${gap()},${gap()}`)
    for (let round = 0; round < 40; round++) {
      const harmless = `SELECT${gap()}${columns()}`
      assert.equal((await asked(harmless)).status, 200, `round ${round}: ${harmless}`)
      const name = one(['file', '`file`', '"file"', '`fi\\x6ce`', '"\\x66ile"'])
      const hidden = one([
        `SELECT ${columns()},${gap()}${name}${gap()}(${gap()}'/etc/hostname'),${gap()}${columns()}`,
        `SELECT ${columns()}${gap()}FROM${gap()}${name}${gap()}('/etc/hostname', 'LineAsString')`,
        `SELECT ${columns()}${gap()}INTO${gap()}OUTFILE${gap()}'${outfile}'${gap()}${one(['', 'TRUNCATE', 'FORMAT TSV'])}`,
        `SELECT ${columns()},${gap()}arrayMap(${name},${gap()}['/etc/hostname']) AS \`z'\``,
      ])
      const answer = await asked(hidden)
      assert.ok(answer.code === '497' || answer.code === '164', `round ${round}: ${hidden}: ${answer.text}`)
      assert.equal(secret !== '' && answer.text.includes(secret), false, hidden)
      assert.equal(existsSync(outfile), false, hidden)
    }
  })
})

describe('A query of constants that the engine cannot interrupt', () => {
  it('ends together with its engine soon after the time limit, and the next engine still saves rows', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'waggle-clickhouse-'))
    const lines: string[] = []
    const log = (_: string, line: string) => void lines.push(line)
    const server = await startEmbeddedClickHouse({ directory, host: '127.0.0.1', port: 0, maxReaderSeconds: 1, clock: systemClock, log })
    const database = new ClickHouseDatabase({ url: server.url, socketPath: server.writerSocket, clock: systemClock, random: new SystemRandom() })
    const table = await database.openTable({ table: 'beside', log: () => {} })
    const { pid } = server
    const calls = Array.from({ length: 40 }, (_, at) => `editDistance(repeat('a${at}', 30000), repeat('b${at}', 30000))`)
    const started = performance.now()
    await assert.rejects(fetch(server.url, { method: 'POST', body: `SELECT ${calls.join(', ')}` }), /fetch failed/)
    const seconds = (performance.now() - started) / 1000
    assert.ok(seconds < 10, `${seconds} s`)
    await table.insert([predictionRow], new AbortController().signal)
    assert.match(lines.join('\n'), /was ended by SIGKILL/)
    assert.notEqual(server.pid, pid)
    const found = await fetch(server.url, { method: 'POST', body: 'SELECT count() FROM beside' })
    assert.equal(await found.text(), '1\n')
    await database.close()
    await server.close()
    rmSync(directory, { recursive: true })
  })
})

const predictionRow: PredictionRow = {
  swarm: 'test',
  bee: 'model',
  request_id: 'request-1',
  model: 'model',
  label: 'teddy',
  score: 0.75,
  scores: { teddy: 0.75 },
  payload: '{}',
  latency_ms: 1,
  batch_size: 1,
  predicted_at: 1_700_000_000_123,
  topic: 'waggle.test.model',
  partition: 0,
  offset: 1n,
}
