import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { SwarmHere } from '../../support/swarm-here.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

describe('An http-call bee', () => {
  const seen: Seen[] = []
  let answers: ((seen: Seen, response: ServerResponse) => void)[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request as AsyncIterable<Buffer>) body += chunk.toString()
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body }
    seen.push(one)
    const answer = answers.length > 1 ? answers.shift() : answers[0]
    answer?.(one, response)
  })
  let base = ''
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    base = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  const json =
    (value: unknown, status = 200, headers: { readonly [name: string]: string } = {}) =>
    (_: Seen, response: ServerResponse) =>
      void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

  function open(spec: string, answering: typeof answers, env = {}) {
    seen.length = 0
    answers = [...answering]
    return SwarmHere.open(
      { WAGGLE_SECRET_TOKEN: 'hunter2-of-the-service', ...env },
      { bees: `  - {name: call, type: http-call, input: {name: entrance}, spec: {${spec}}}\n  - {name: answer, type: respond, input: {name: call}}` },
    )
  }

  async function problem(swarm: SwarmHere, body: unknown): Promise<{ readonly status: number; readonly detail: string }> {
    const answer = await swarm.ask(body)
    return { status: answer.status, detail: ((await answer.json()) as { readonly detail: string }).detail }
  }

  const letters = async (swarm: SwarmHere) => (await fetch(`${swarm.url}/v1/dead-letters?swarm=${swarm.name}`)).text()

  it('sends the input with the id of the request, and answers with the JSON of the service', async () => {
    await using swarm = await open(`url: "${base}/classify", headers: {authorization: "Bearer {{ secrets.TOKEN }}"}`, [json({ label: 'teddy' })])
    const answer = await swarm.ask({ text: 'honey' })
    assert.deepEqual(await answer.json(), { label: 'teddy' })
    const [{ method, url, headers, body } = seen[0] as Seen] = seen
    assert.deepEqual([method, url, body, headers.authorization], ['POST', '/classify', '{"text":"honey"}', 'Bearer hunter2-of-the-service'])
    assert.equal(headers['idempotency-key'], answer.headers.get('x-request-id'))
  })

  it('sends the trace and the baggage of the request if they are valid', async () => {
    await using swarm = await open(`url: "${base}/next", headers: {tracestate: "mine=1"}`, [json({})])
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await swarm.ask({}, { headers: { traceparent, tracestate: 'theirs=1', baggage: 'shop=den' } })
    await swarm.ask({}, { headers: { traceparent: 'nonsense', tracestate: 'theirs=1', baggage: 'x'.repeat(9000) } })
    assert.deepEqual(
      seen.map(({ headers }) => [headers.traceparent, headers.tracestate, headers.baggage]),
      [
        [traceparent, 'mine=1', 'shop=den'],
        [undefined, 'mine=1', undefined],
      ],
    )
  })

  it('sends another idempotency key in each round of a loop, so that the service acts once for each round', async () => {
    const spec = `{url: "${base}/next"}`
    seen.length = 0
    answers = [({ body }, response) => json({ n: (JSON.parse(body) as { readonly n: number }).n + 1 })({} as Seen, response)]
    await using swarm = await SwarmHere.open(
      {},
      {
        bees: `  - {name: again, type: loop, input: {stack: [entrance, call]}, spec: {while: 'n < \`3\`', body: call, max_rounds: 9}}
  - {name: call, type: http-call, input: {name: again}, spec: ${spec}}
  - {name: answer, type: respond, input: {name: again}}`,
      },
    )
    const answer = await swarm.ask({ n: 0 })
    assert.deepEqual(await answer.json(), { n: 3 })
    const id = answer.headers.get('x-request-id')
    assert.deepEqual(
      seen.map(({ headers }) => headers['idempotency-key']),
      [1, 2, 3].map((round) => `${id};again=${round}`),
    )
  })

  it('puts input fields into the path and the query, each as one escaped value', async () => {
    await using swarm = await open(`method: GET, url: "${base}/items/{id}/file.{kind}?q={search.text}&all=1"`, [json([])])
    await swarm.ask({ id: 'a/../b?c#d%2e', kind: 'png', search: { text: 'x&admin=1 ü' } })
    assert.equal(seen[0]?.url, '/items/a%2F..%2Fb%3Fc%23d%252e/file.png?q=x%26admin%3D1%20%C3%BC&all=1')
    assert.deepEqual([seen[0]?.method, seen[0]?.body], ['GET', ''])
    for (const [input, detail] of [
      [{ kind: 'a', search: { text: 'b' } }, /no field id/],
      [{ id: '..', kind: 'a', search: { text: 'b' } }, /id is "\.\.", which an address cannot have/],
      [{ id: '', kind: 'a', search: { text: 'b' } }, /id is ""/],
      [{ id: { a: 1 }, kind: 'a', search: { text: 'b' } }, /id is neither a text nor a number/],
      [{ id: null, kind: 'a', search: { text: 'b' } }, /id is neither/],
      [{ id: 'a', kind: 'a', search: { text: 'b'.repeat(9000) } }, /more than 8000 characters/],
    ] as const)
      assert.deepEqual((await problem(swarm, input)).status, 422, String(detail))
    assert.equal(seen.length, 1)
  })

  it('shows no secret that the service repeats, neither in an answer nor in an error', async () => {
    const repeats = (status: number) => (one: Seen, response: ServerResponse) =>
      json({ detail: `you sent ${one.headers['x-key']}` }, status)(one, response)
    await using swarm = await open(`url: "${base}/{{ secrets.TOKEN }}", headers: {x-key: "{{ secrets.TOKEN }}"}`, [
      repeats(200),
      repeats(400),
      repeats(401),
    ])
    const texts = [
      await (await swarm.ask({})).text(),
      JSON.stringify(await problem(swarm, {})),
      JSON.stringify(await problem(swarm, {})),
      await letters(swarm),
      swarm.said.join(),
    ]
    assert.equal(seen[0]?.url, '/hunter2-of-the-service')
    assert.match(texts[0] ?? '', /you sent \{\{ secrets\.TOKEN \}\}/)
    assert.doesNotMatch(texts.join(), /hunter2/)
  })

  it('refuses an input that the service refuses, and makes a dead letter for any other failure', async () => {
    await using swarm = await open(`url: "${base}/", max_answer_bytes: 100`, [
      json({ title: 'Bad', detail: 'label is missing\nhere' }, 422),
      json({}, 401),
      json({}, 500),
      (_, response) => void response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
      json('x'.repeat(200)),
      (_, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"a":'),
      (_, response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end('abc'),
    ])
    const outcomes = []
    for (let request = 0; request < 7; request++) outcomes.push(await problem(swarm, {}))
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      [422, 502, 502, 502, 502, 502, 502],
    )
    for (const [at, detail] of [
      /answers 422: label is missing here/,
      /answers 401/,
      /answers 500/,
      /redirects to http:\/\/169\.254\.169\.254\/latest, which is not followed/,
      /answers with more than 100 bytes/,
      /answers with JSON that cannot be read/,
      /answers in the encoding gzip, which was not asked for/,
    ].entries())
      assert.match(outcomes[at]?.detail ?? '', detail)
    assert.equal(seen.length, 7)
    assert.equal((await letters(swarm)).match(/"code":"WAGGLE_HTTP_CALL_REFUSED"/g)?.length, 6)
  })

  it('waits as long as a busy service asks, and repeats a lost request only if a repetition does no harm', async () => {
    const breaks = (_: Seen, response: ServerResponse) => void response.destroy()
    {
      await using swarm = await open(`url: "${base}/"`, [json({}, 429, { 'retry-after': '1' }), json({}, 503), json({ done: true })])
      const startedMs = performance.now()
      assert.deepEqual(await (await swarm.ask({})).json(), { done: true })
      assert.ok(performance.now() - startedMs >= 1000)
      assert.equal(new Set(seen.map(({ headers }) => headers['idempotency-key'])).size, 1)
      assert.equal(seen.length, 3)
    }
    {
      await using swarm = await open(`url: "${base}/", idempotent: true`, [breaks, json({}, 502), json({ done: true })])
      assert.deepEqual(await (await swarm.ask({})).json(), { done: true })
    }
    await using swarm = await open(`url: "${base}/"`, [breaks])
    assert.match((await problem(swarm, {})).detail, /broke off the connection/)
    assert.equal(seen.length, 1)
    assert.match(await letters(swarm), /WAGGLE_HTTP_CALL_AWAY/)
  })

  it('fails at once if a service asks for a wait beyond the deadline, and after its last attempt if no server listens', async () => {
    await using swarm = await open(`url: "${base}/"`, [json({}, 503, { 'retry-after': '3600' })])
    assert.match((await problem(swarm, {})).detail, /answers 503, and asks to wait 3600 s/)
    await using lost = await open('url: "http://127.0.0.1:1/", attempts: 2', [])
    assert.match((await problem(lost, {})).detail, /takes no connection: .*ECONNREFUSED.*\(2 attempts\)/)
  })

  it('stops an attempt that takes too long', async () => {
    await using swarm = await open(`url: "${base}/", attempt_seconds: 0.2`, [() => {}])
    assert.match((await problem(swarm, {})).detail, /gave no answer within 0\.2 s/)
  })

  it('returns bytes with their type and null for an empty body, and sends a single field if the spec names one', async () => {
    await using swarm = await open(`url: "${base}/", body: a.b`, [
      (_, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end('hello'),
      (_, response) => void response.writeHead(204).end(),
    ])
    const text = await swarm.ask({ a: { b: [1] } })
    assert.deepEqual([text.headers.get('content-type')?.split(';')[0], await text.text(), seen[0]?.body], ['text/plain', 'hello', '[1]'])
    assert.equal(await (await swarm.ask({ a: { b: 1 } })).json(), null)
    assert.match((await problem(swarm, { a: {} })).detail, /no field a\.b, which is to be sent/)
  })

  it('does not start with an unusable address or header, and the error names the place in the file', async () => {
    for (const [spec, message] of [
      ['url: "ftp://127.0.0.1/"', /is not a URL that begins with http/],
      ['url: "http://{host}/"', /a field may stand in the path and the query only/],
      ['url: "http://127.0.0.1{port}/"', /a field may stand in the path and the query only/],
      ['url: "http://ada:hunter2@127.0.0.1/"', /has a name or a password in it/],
      ['url: "http://127.0.0.1/{a b}"', /a field is written \{name\}/],
      ['url: "http://127.0.0.1/#x"', /a fragment/],
      ['url: "http://169.254.169.254/latest"', /169\.254\.169\.254 is not in the list of hosts that may be called/],
      ['url: "http://prices.example/"', /prices\.example is not in the list/],
      [`url: "${base}/", headers: {host: a}`, /the header host is written by Waggle itself/],
      [`url: "${base}/", headers: {x: "{{ secrets.LINES }}"}`, /the header x has a character that no header may have/],
    ] as const)
      await assert.rejects(open(spec, [], { WAGGLE_SECRET_LINES: 'hunter2\r\nx: y' }), (error: Error & { code: string; place: string }) => {
        assert.equal(error.code, 'WAGGLE_HTTP_CALL_ADDRESS', error.message)
        assert.match(error.message, message)
        assert.match(error.place, /swarm\.yaml:4:\d+$/)
        assert.doesNotMatch(`${error.stack}`, /hunter2/)
        return true
      })
  })
})
