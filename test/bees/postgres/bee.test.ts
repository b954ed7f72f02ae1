import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { PostgresServer, skipsPostgres } from '../../support/postgres-server.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

describe('A postgres bee', { skip: skipsPostgres() }, () => {
  let server: PostgresServer
  before(async () => {
    server = await PostgresServer.start()
    await server.query('CREATE TABLE predictions (request_id text, label text NOT NULL, score float8, tags text[], extra jsonb, at timestamptz)')
  })
  after(async () => server?.[Symbol.asyncDispose]())

  const open = (query: string, { db = server.url({ password: '{{ secrets.DB_PASSWORD }}' }), more = '', env = {} } = {}) =>
    SwarmHere.open(
      { WAGGLE_SECRET_DB_PASSWORD: server.password, ...env },
      {
        bees: `  - {name: rows, type: postgres, input: {name: entrance}, spec: {db: ${JSON.stringify(db)}, query: ${JSON.stringify(query)}${more}}}
  - {name: answer, type: respond, input: {name: rows}}`,
      },
    )

  it('writes fields of the input and answers with the rows of the query', async () => {
    await using swarm = await open(
      'INSERT INTO predictions VALUES (:request_id, :label, :scores.teddy, :tags, :extra, now()) RETURNING label, score, tags, extra',
    )
    const label = `te'd"dy; DROP TABLE predictions --`
    const body = { label, scores: { teddy: 0.75 }, tags: ['a"b', null, 'c,{}'], extra: { deep: [1, null] } }
    const answer = await swarm.ask(body)
    assert.equal(answer.status, 200)
    assert.deepEqual(await answer.json(), [{ label, score: 0.75, tags: ['a"b', null, 'c,{}'], extra: { deep: [1, null] } }])
    const [row] = await server.query('SELECT request_id, label FROM predictions')
    assert.deepEqual(row, { request_id: answer.headers.get('x-request-id'), label })
  })

  it('converts each column type to JSON', async () => {
    await using swarm = await open(
      `SELECT count(*) AS bees, 9007199254740993::int8 AS large, 1.50::numeric AS exact, 'NaN'::float8 AS none, true AS yes, NULL AS nothing,
        timestamptz '2026-11-30 08:00:00.123456+00' AT TIME ZONE 'UTC' AS at, date '2026-11-30' AS day, '\\x00ff'::bytea AS bytes, '{"a":[1]}'::json AS json,
        ARRAY[[1,2],[3,NULL]] AS grid, '[0:1]={x,"y,z"}'::text[] AS list, :"a name"::text AS named, $n::int AS same, 'it''s :not $none' AS quoted -- :comment`,
    )
    const answer = await swarm.ask({ 'a name': 'b', n: 7 })
    assert.deepEqual(await answer.json(), [
      {
        ...{ bees: 1, large: '9007199254740993', exact: '1.50', none: 'NaN', yes: true, nothing: null, at: '2026-11-30T08:00:00.123456' },
        ...{
          day: '2026-11-30',
          bytes: 'AP8=',
          json: { a: [1] },
          grid: [
            [1, 2],
            [3, null],
          ],
          list: ['x', 'y,z'],
          named: 'b',
          same: 7,
          quoted: "it's :not $none",
        },
      },
    ])
  })

  it('refuses an input that lacks a field or has an unsuitable value, and names the field', async () => {
    await using swarm = await open('SELECT :age::int AS age, :name::text AS name')
    for (const [body, detail] of [
      [{ name: 'a' }, /this input has no field age, which the query needs/],
      [{ age: 'old', name: 'a' }, /a value does not fit the query: invalid input syntax for type integer: "old"/],
      [{ age: 99_999_999_999, name: 'a' }, /out of range/],
      [{ age: 1, name: ['a'] }, /name is a list, and the query takes text there/],
      [{ age: { years: 1 }, name: 'a' }, /age is a map, and the query takes integer there/],
      [[1], /no field age/],
      [{ age: 1, name: 'a\u0000b' }, /a value does not fit/],
    ] as const) {
      const answer = await swarm.ask(body)
      assert.equal(answer.status, 422, JSON.stringify(body))
      assert.match(((await answer.json()) as { detail: string }).detail, detail)
    }
    assert.deepEqual(await (await swarm.ask({ age: null, name: 'a', more: 1 })).json(), [{ age: null, name: 'a' }])
  })

  it('does not start with a query that the server cannot parse, and the error names the place in the query', async () => {
    for (const [query, message] of [
      ['SELECT :a, nothing FROM predictions', /swarm\.yaml:4:\d+|column "nothing" does not exist, at line 1, column 12 of the query/],
      ['SELECT label\nFROM predictionz WHERE label = :label', /relation "predictionz" does not exist, at line 2, column 6 of the query/],
      ['INSERT INTO predictions (request_id, nope) VALUES (:request_id, :nope)', /column "nope" of relation "predictions" does not exist/],
      ['SELEC 1', /syntax error at or near "SELEC", at line 1, column 1/],
      ['SELECT 1; SELECT 2', /cannot insert multiple commands/],
      ['SELECT :a + :b', /operator is not unique|could not determine data type/],
      ['SELECT $1', /\$1 in the query has no name/],
      ['SELECT 1 AS a, 2 AS a', /two columns named a/],
      ['SELECT :score::int, :score::text[]', /:score|cannot cast/],
    ] as const)
      await assert.rejects(open(query), { code: 'WAGGLE_POSTGRES_QUERY', message, place: /swarm\.yaml:4:\d+/ }, query)
  })

  it('does not start with a wrong password, a missing database or an invalid address, and shows no password', async () => {
    for (const [db, code, message] of [
      [server.url({ password: 'hunter3-is-wrong' }), 'WAGGLE_POSTGRES_REFUSED', /password authentication failed for user "waggle"/],
      [server.url({ database: 'nowhere' }), 'WAGGLE_POSTGRES_REFUSED', /database "nowhere" does not exist/],
      ['mysql://waggle:hunter3-is-wrong@127.0.0.1/x', 'WAGGLE_POSTGRES_ADDRESS', /db is not the address of a PostgreSQL database/],
      ['postgres://waggle:hunter3%is/wrong@127.0.0.1:bad/x', 'WAGGLE_POSTGRES_ADDRESS', /db is not the address/],
      [`${server.url()}?sslmode=require`, 'WAGGLE_POSTGRES_REFUSED', /does not support SSL/],
    ] as const)
      await assert.rejects(open('SELECT 1', { db }), (error: { code: string; message: string; place: string; stack: string }) => {
        assert.equal(error.code, code, error.message)
        assert.match(error.message, message)
        assert.match(error.place, /swarm\.yaml:4:\d+$/)
        assert.doesNotMatch(`${error.stack}${JSON.stringify(error)}`, /hunter/)
        return true
      })
  })

  it('ends a query that takes too long or has too many rows, and keeps a dead letter of its request', async () => {
    await using swarm = await open('SELECT pg_sleep(:seconds)::text AS slept FROM generate_series(1, :rows::int)', {
      more: ', statement_seconds: 2, max_rows: 2',
    })
    assert.deepEqual(await (await swarm.ask({ seconds: 0, rows: 2 })).json(), [{ slept: '' }, { slept: '' }])
    const slow = await swarm.ask({ seconds: 20, rows: 1 })
    const many = await swarm.ask({ seconds: 0, rows: 3 })
    assert.deepEqual([slow.status, many.status], [502, 502])
    const told = [await slow.json(), await many.json()].map((problem) => (problem as { detail: string }).detail)
    assert.match(told[0] ?? '', /the server ended the query/)
    assert.match(told[1] ?? '', /more than 2 rows/)
    const letters = await (await fetch(`${swarm.url}/v1/dead-letters?swarm=${swarm.name}`)).text()
    assert.equal(letters.match(/WAGGLE_POSTGRES_QUERY/g)?.length, 2, letters)
  })

  it('retries while the server is unreachable, and writes each request once even if the connection is lost', async () => {
    await server.query('CREATE TABLE once (label text)')
    await using swarm = await open('INSERT INTO once VALUES (:label) RETURNING label')
    assert.equal((await swarm.ask({ label: 'before' })).status, 200)
    await server.pause()
    const waiting = swarm.ask({ label: 'while away' })
    await server.resume()
    assert.equal((await waiting).status, 200)
    assert.deepEqual(await server.query('SELECT label FROM once'), [{ label: 'before' }, { label: 'while away' }])
  })

  it('writes once in each round of a loop', async () => {
    await server.query('CREATE TABLE rounds (id text, n int)')
    const db = JSON.stringify(server.url({ password: '{{ secrets.DB_PASSWORD }}' }))
    await using swarm = await SwarmHere.open(
      { WAGGLE_SECRET_DB_PASSWORD: server.password },
      {
        bees: `  - {name: again, type: loop, input: {stack: [entrance, next]}, spec: {while: 'n < \`3\`', body: write, max_rounds: 9}}
  - {name: write, type: postgres, input: {name: again}, spec: {db: ${db}, query: "INSERT INTO rounds VALUES (:request_id, :n) RETURNING n + 1 AS n"}}
  - {name: next, type: map, input: {name: write}, spec: {expression: '[0]'}}
  - {name: answer, type: respond, input: {name: again}}`,
      },
    )
    const answer = await swarm.ask({ n: 0 })
    assert.deepEqual(await answer.json(), { n: 3 })
    const id = answer.headers.get('x-request-id')
    assert.deepEqual(
      await server.query('SELECT id, n FROM rounds ORDER BY n'),
      [0, 1, 2].map((n) => ({ id, n })),
    )
  })

  it('starts without its server, and answers as soon as the server is reachable', async () => {
    await server.pause()
    await using swarm = await open('SELECT 1 AS one')
    assert.ok(
      swarm.said.some((line) => /cannot be reached: .*ECONNREFUSED.*WAGGLE_POSTGRES_AWAY/.test(line)),
      swarm.said.join('\n'),
    )
    const waiting = swarm.ask({})
    await server.resume()
    assert.deepEqual(await (await waiting).json(), [{ one: 1 }])
  })

  it('warns if its role may not create the table of writes, and refuses to start if the spec has `once: true`', async () => {
    await server.query("CREATE ROLE writer LOGIN PASSWORD 'hunter2-of-writer'")
    await server.query('CREATE DATABASE narrow')
    await server.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE TABLE rows (label text); GRANT INSERT ON rows TO writer', {
      database: 'narrow',
    })
    const db = server.url({ user: 'writer', password: 'hunter2-of-writer', database: 'narrow' })
    await using swarm = await open('INSERT INTO rows VALUES (:label)', { db })
    assert.ok(
      swarm.said.some((line) => /warn the role of spec\.db may not make the table waggle_writes/.test(line)),
      swarm.said.join('\n'),
    )
    assert.deepEqual(await (await swarm.ask({ label: 'a' })).json(), [])
    await assert.rejects(open('INSERT INTO rows VALUES (:label)', { db, more: ', once: true' }), { code: 'WAGGLE_POSTGRES_REFUSED' })
  })
})
