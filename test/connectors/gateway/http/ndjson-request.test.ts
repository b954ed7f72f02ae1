import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { CallerLimits } from '../../../../connectors/gateway/access/caller-limits.ts'
import { maxLineBytes, maxLines } from '../../../../connectors/gateway/http/ndjson-request.ts'
import { openEchoGateway } from '../../../support/echo-gateway.ts'
import { patient } from '../../../support/patient.ts'
import { eventually, SwarmHere } from '../../../support/swarm-here.ts'

const bees = `  - {name: work, type: module, timeout_seconds: 20, input: {name: entrance}, spec: {file: ./lines.mjs}}
  - {name: answer, type: respond, input: {name: work}}`
/** The input \`wait\` is answered when the input \`go\` arrives. */
const work = `let go = () => {}
export let asked = 0
export default (input) => {
  asked++
  if (input === 'bad') throw new Error('not this')
  if (input === 'go') go()
  if (input === 'count') return asked
  return input === 'wait' ? new Promise((done) => { go = () => done('waited') }) : input
}`

interface Line {
  readonly index: number
  readonly request_id: string
  readonly state: string
  readonly answer: unknown
  readonly problem: { readonly status: number; readonly code: string; readonly request_id: string } | null
}

describe('A request with lines of JSON', () => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({ WAGGLE_CALLER_REQUESTS_IN_FLIGHT: '4' }, { bees, files: { 'lines.mjs': work } })
  })
  after(() => here[Symbol.asyncDispose]())
  const post = (
    body: string,
    { order = '', headers = {} }: { readonly order?: string; readonly headers?: { readonly [name: string]: string } } = {},
  ) =>
    patient(() =>
      fetch(`${here.url}/v1/gateways/${here.name}/request${order}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-ndjson', ...headers },
      }),
    )
  const linesOf = async (response: Response) =>
    (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Line)

  it('is answered with one line for each line, in order, and every line has its own id and its own error', async () => {
    const response = await post('{"a":1}\n"bad"\r\n\nnot json\n[2]')
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'application/x-ndjson'])
    const lines = await linesOf(response)
    assert.deepEqual(
      lines.map(({ index, state, answer, problem }) => [index, state, answer, problem?.code ?? null]),
      [
        [0, 'answered', { a: 1 }, null],
        [1, 'failed', null, 'WAGGLE_BEE_FAILED'],
        [2, 'failed', null, 'WAGGLE_BAD_BODY'],
        [3, 'answered', [2], null],
      ],
    )
    const ids = [0, 1, 3].map((at) => lines[at]?.request_id ?? '')
    assert.equal(new Set(ids).size, 3)
    assert.equal(((await (await fetch(`${here.url}/v1/requests/${ids[0]}`)).json()) as Line).state, 'answered')
  })

  it('is answered in the order of the answers with order=done, and otherwise in the order of its lines', async () => {
    for (const { order, wanted } of [
      { order: '?order=done', wanted: [1, 0] },
      { order: '?order=input', wanted: [0, 1] },
      { order: '', wanted: [0, 1] },
    ]) {
      const response = await post('"wait"\n"one"', { order })
      const body = (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream()).getReader()
      // The second line is answered while the first line waits.
      const first = order === '?order=done' ? ((await body.read()).value ?? '') : ''
      let isOver = false
      const rest = (async () => {
        let text = first
        for (let read = await body.read(); !read.done; read = await body.read()) text += read.value
        isOver = true
        return text
      })()
      await eventually(async () => {
        await (await here.ask('go')).text()
        return isOver
      })
      const indexes = (await rest)
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as Line).index)
      assert.deepEqual(indexes, wanted, order)
    }
    assert.equal((await post('1', { order: '?order=random' })).status, 400)
  })

  it('computes each line only once with an idempotency key, and returns the same answers again', async () => {
    const key = { headers: { 'idempotency-key': 'batch' } }
    const first = await linesOf(await post('"count"\n"count"', key))
    const again = await linesOf(await post('"count"\n"count"', key))
    assert.deepEqual(again, first)
    assert.notEqual(first[0]?.request_id, first[1]?.request_id)
    assert.equal((await linesOf(await post('"count"\n"other"', key)))[1]?.problem?.status, 422)
  })

  it('waits while its caller has the largest number of requests in progress, and loses no line', async () => {
    const lines = await linesOf(await post(Array.from({ length: 100 }, (_, at) => `${at}`).join('\n'), { order: '?order=done' }))
    assert.deepEqual(
      lines.map(({ answer }) => answer).toSorted((a, b) => Number(a) - Number(b)),
      Array.from({ length: 100 }, (_, at) => at),
    )
  })

  it('counts each of its lines towards the caller’s rate limit, in any order of answers', async () => {
    for (const order of ['done', 'input']) {
      // The time of the limits stands still, so no line is admitted after the rate of one second is used up.
      const limits = new CallerLimits({ clock: { elapsedMs: () => 0 }, limits: { ratePerSecond: 3, inFlight: 1, allInFlight: 1000 } })
      const gateway = await openEchoGateway({ limits })
      try {
        const response = await fetch(`${gateway.url}/v1/gateways/door/request?order=${order}`, {
          method: 'POST',
          body: '1\n'.repeat(20),
          headers: { 'content-type': 'application/x-ndjson', 'x-timeout-seconds': '0.2' },
        })
        const lines = await linesOf(response)
        assert.equal(lines.filter(({ state }) => state === 'answered').length, 3, order)
        assert.equal(lines.filter(({ problem }) => problem?.code === 'WAGGLE_CALLER_LIMIT').length, 17, order)
      } finally {
        await gateway.close()
      }
    }
  })

  it('is limited in its number of lines, and in the bytes of a line', async () => {
    assert.equal((await post('1\n'.repeat(maxLines + 1))).status, 413)
    assert.equal((await post('\n \n')).status, 400)
    const [long, short] = await linesOf(await post(`"${'x'.repeat(maxLineBytes)}"\n1`))
    assert.deepEqual([long?.problem?.status, short?.answer], [413, 1])
    const submitted = await fetch(`${here.url}/v1/gateways/${here.name}/submit`, {
      method: 'POST',
      body: '1\n2',
      headers: { 'content-type': 'application/x-ndjson' },
    })
    assert.equal(submitted.status, 415)
  })

  it('computes no further lines for a caller who does not read', async () => {
    const text = `"${'x'.repeat(100_000)}"\n`
    const body = `${text.repeat(200)}"last"\n`
    const before = await asked()
    const { hostname, port } = new URL(here.url)
    const socket = connect(Number(port), hostname)
    socket.pause()
    socket.write(
      `POST /v1/gateways/${here.name}/request HTTP/1.1\r\nhost: ${hostname}:${port}\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    let seen = before
    await eventually(async () => {
      const now = await asked()
      const isStill = now === seen + 1 && now > before + 10
      seen = now
      return isStill
    })
    assert.ok(seen - before < 190, `${seen - before} lines were computed`)
    socket.destroy()
  })

  async function asked(): Promise<number> {
    return (await (await patient(() => here.ask('count'))).json()) as number
  }
})
