import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { MeasuredProgram } from '../../../ops/bench/measured-program.ts'
import { judgedBees, judgedFiles } from '../../support/judged-swarm.ts'
import { patient } from '../../support/patient.ts'
import { eventually } from '../../support/swarm-here.ts'

const root = resolve(import.meta.dirname, '..', '..', '..')
const main = join(root, 'ops', 'cli', 'main.ts')

describe('waggle sql', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-sql-'))
  const env = { WAGGLE_DATA_DIR: join(directory, 'data'), WAGGLE_HTTP_PORT: '0', WAGGLE_CLICKHOUSE_PORT: '0' }
  let program: MeasuredProgram | null = null

  before(async () => {
    const bees = judgedBees.replace('verdicts', 'inferences')
    writeFileSync(join(directory, 'swarm.yaml'), `name: shop\nbees:\n  - {name: entrance, type: gateway-input, spec: {name: door}}\n${bees}\n`)
    for (const [name, text] of Object.entries(judgedFiles)) writeFileSync(join(directory, name), text)
    program = await MeasuredProgram.start([main, 'run', join(directory, 'swarm.yaml'), '--json'], env)
    const url = `${program.ready.gateway}/v1/gateways/door/request`
    const ask = (price: number) => () =>
      fetch(url, { method: 'POST', body: JSON.stringify({ price }), headers: { 'content-type': 'application/json' } })
    await Promise.all([1, 7, 20].map(async (price) => (await patient(ask(price))).body?.cancel()))
    await eventually(async () => (await waggle('sql', 'SELECT count() AS rows FROM inferences', '--json')).out === '{"rows":6}\n')
  })
  after(async () => {
    await program?.stop()
    rmSync(directory, { recursive: true })
  })

  function waggle(...argv: readonly string[]) {
    return new Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>((settle) => {
      const child = spawn(process.execPath, [main, ...argv], { env: { ...process.env, ...env }, cwd: directory })
      let [out, err] = ['', '']
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        out += text
      })
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        err += text
      })
      child.on('close', (status) => settle({ status, out, err }))
      child.stdin.end('SELECT 1 AS from_input')
    })
  }

  it('prints the rows of the running process as a table, and says that there are more rows', async () => {
    const { status, out, err } = await waggle(
      'sql',
      'SELECT bee, label, count() AS rows FROM inferences GROUP BY bee, label ORDER BY bee, label;',
      '--max',
      '2',
    )
    assert.equal(status, 0, err)
    const lines = out.split('\n')
    assert.match(lines[0] ?? '', /^bee +label +rows$/)
    assert.match(lines[1] ?? '', /^a-judge-\S+ +cheap +2$/)
    assert.equal(lines.length, 4)
    assert.match(err, /There are more rows: these are the first 2\. A greater --max prints more\./)
    const all = await waggle('sql', 'SELECT bee FROM inferences', '--max', '6')
    assert.deepEqual([all.out.split('\n').length, all.err], [8, ''])
    assert.match((await waggle('sql', '-')).out, /^from_input\n1\n$/)
  })

  it('refuses a statement that writes, and a statement with a mistake, as mistakes of the user', async () => {
    for (const wrong of ['SELECT nothing FROM nowhere', 'CREATE TABLE x (a Int8) ENGINE = Memory', '']) {
      const { status, err } = await waggle('sql', wrong)
      assert.equal(status, 1, `${wrong}: ${err}`)
      assert.match(err, /ClickHouse refuses|empty/)
    }
  })

  it('runs every query of docs/analytics.md, and its views count each prediction once', async () => {
    const queries = [...readFileSync(join(root, 'docs', 'analytics.md'), 'utf8').matchAll(/^```sql\n(.*?)^```/gms)].map(([, query = '']) => query)
    assert.equal(queries.length, 7)
    const answers = await Promise.all(queries.map((query) => waggle('sql', query, '--json')))
    for (const [at, { status, err }] of answers.entries()) assert.equal(status, 0, `${queries[at]}\n${err}`)
    const [busiest, , versions, disagreement, newest, , migrations] = answers.map(({ out }) =>
      out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { readonly [column: string]: unknown }])),
    )
    assert.deepEqual(
      busiest?.map(({ predictions }) => predictions),
      [3, 3],
    )
    assert.deepEqual(
      versions?.map(({ version, total }) => [version, total]),
      [
        ['3', 3],
        ['3', 3],
      ],
    )
    assert.deepEqual(disagreement, [{ disagreement: 0.3333 }])
    assert.equal(newest?.length, 1)
    assert.deepEqual(
      migrations?.map(({ version }) => version),
      [1, 2, 3, 4, 5, 6, 7],
    )
  })

  it('runs the query of docs/models.md that compares a version with its shadow, here two judges', async () => {
    const [, query = ''] = /^```sql\n(.*?)^```/ms.exec(readFileSync(join(root, 'docs', 'models.md'), 'utf8')) ?? []
    const [, lenient = ''] = /name: (a-judge\S+),/.exec(judgedBees) ?? []
    const { status, out, err } = await waggle('sql', query.replace("'detect-shadow'", `'${lenient}'`).replace("'detect'", "'strict'"), '--json')
    assert.equal(status, 0, err)
    assert.ok(Math.abs((JSON.parse(out) as { readonly agreement: number }).agreement - 2 / 3) < 1e-9, out)
  })

  it('finds requests by their state and prints them as a table', async () => {
    const { status, out, err } = await waggle('requests', 'list', '--state', 'answered', '--max', '2')
    assert.equal(status, 0, err)
    assert.match(out, /^request +swarm +gateway +state +accepted +took +error\n/)
    assert.match(out, /There are more: --after \d+:/)
  })

  it('opens the data directory itself if no process runs, and reports a directory without a database', async () => {
    assert.equal(await program?.stop(), 0)
    program = null
    const { status, out, err } = await waggle('sql', 'SELECT count() AS rows FROM inferences')
    assert.equal(status, 0, err)
    assert.equal(out, 'rows\n6\n')
    rmSync(join(directory, 'data'), { recursive: true })
    const none = await waggle('sql', 'SELECT 1')
    assert.equal(none.status, 3)
    assert.match(none.err, /contains no ClickHouse database/)
  })
})

describe('waggle sql with a result that does not end', () => {
  const row = `["${'x'.repeat(1000)}"]\n`
  /** Settles with the bytes that a client has taken, when the client closes the connection. */
  let taken = Promise.withResolvers<number>()
  // A server that sends rows as long as somebody reads them. An embedded ClickHouse refuses such a query by its own bound.
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write('["text"]\n')
    response.once('close', () => taken.resolve(response.socket?.bytesWritten ?? bytes))
    let bytes = 0
    const send = () => {
      while (!response.closed && response.write(row)) bytes += row.length
      bytes += row.length
    }
    response.on('drain', send)
    send()
  })
  before(() => new Promise<void>((settle) => void server.listen(0, '127.0.0.1', settle)))
  after(() => void server.close())

  async function ask(...argv: readonly string[]) {
    const { port } = server.address() as AddressInfo
    taken = Promise.withResolvers()
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, 'sql', 'SELECT text FROM endless', ...argv], {
      env: { ...process.env, CLICKHOUSE_URL: `http://127.0.0.1:${port}` },
      maxBuffer: 256 * mebibyte,
    })
    return { lines: stdout.split('\n').length - 1, stderr, bytes: await taken.promise }
  }

  it('reads little more than the rows that it prints, and closes the connection', async () => {
    const { lines, stderr, bytes } = await ask('--max', '3', '--json')
    assert.equal(lines, 3)
    assert.match(stderr, /There are more rows: these are the first 3\. A greater --max prints more\./)
    assert.ok(bytes < 16 * mebibyte, String(bytes))
  })

  it('ends after 64 MiB', async () => {
    const { lines, stderr, bytes } = await ask('--max', '100000000')
    const rows = Math.floor((64 * mebibyte) / (row.length - 1))
    assert.equal(lines, rows + 1)
    assert.match(stderr, new RegExp(`There are more rows: these are the first ${rows}, with 64 MiB\\.`))
    assert.ok(bytes < 80 * mebibyte, String(bytes))
  })
})

const mebibyte = 1024 * 1024
