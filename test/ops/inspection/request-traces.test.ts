import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { DeadLetterPage, RequestPage } from '../../../topology/swarm/log-management.ts'
import type { RequestTrace } from '../../../topology/swarm/request/request-trace.ts'
import { patient } from '../../support/patient.ts'
import { eventually, SwarmHere } from '../../support/swarm-here.ts'

const bees = `  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./bees.mjs, bee: tidy}}
  - {name: trim, type: module, input: {name: tidy}, spec: {file: ./bees.mjs, bee: tidy}}
  - {name: rows, type: batch, input: {name: trim}, spec: {batch_size: 3, timeout_seconds: 60, release: full}}
  - {name: price, type: module, input: {name: rows}, spec: {file: ./bees.mjs, bee: price}}
  - {name: size, type: module, input: {name: trim}, spec: {file: ./bees.mjs, bee: size}}
  - {name: sum, type: weighted-average-ensemble, input: {join: [price, size]}}
  - {name: answer, type: respond, input: {name: sum}}`
const modules = `export const tidy = (input) => input
const prediction = { label: 'dear', scores: { dear: 1 } }
let isMended = false
export const price = ({ text }) => {
  if (text === 'mend') isMended = true
  if (text === 'bad' || (text === 'unmended' && !isMended)) throw new Error('no price')
  return { ...prediction, model: 'pricing', version: '2' }
}
export const size = ({ text }) => (text === 'late' ? new Promise((done) => setTimeout(done, 2000, prediction).unref()) : prediction)`

describe('The trace of a request', () => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { bees, files: { 'bees.mjs': modules } })
  })
  after(() => here[Symbol.asyncDispose]())

  /** Sends the texts at the same time, and returns the ids of their requests in the same order. */
  function answered(texts: readonly string[], headers: { readonly [name: string]: string } = {}): Promise<readonly string[]> {
    return Promise.all(
      texts.map(async (text) => {
        const answer = await patient(() => here.ask({ text }, { headers }))
        await answer.body?.cancel()
        return answer.headers.get('x-request-id') ?? ''
      }),
    )
  }

  async function traced(id: string): Promise<RequestTrace> {
    const answer = await patient(() => fetch(`${here.url}/v1/requests/${id}/trace`))
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('x-request-id'), id)
    return (await answer.json()) as RequestTrace
  }

  const stepOf = ({ steps }: RequestTrace, bee: string) => steps.find((step) => step.bee === bee) ?? assert.fail(`${bee} has no step`)

  it('has a step for each bee in the order of work, also for bees whose results are in no topic', async () => {
    const [id = ''] = await answered(['one', 'two', 'three'])
    const trace = await traced(id)
    const { request_id, swarm, gateway, state, complete, steps } = trace
    assert.deepEqual(
      { request_id, swarm, gateway, state, complete },
      { request_id: id, swarm: here.name, gateway: here.name, state: 'answered', complete: true },
    )
    const names = steps.map(({ bee }) => bee)
    assert.deepEqual(names.toSorted(), ['answer', 'entrance', 'price', 'size', 'sum', 'tidy', 'trim'])
    assert.deepEqual([...names.slice(0, 3), ...names.slice(-2)], ['entrance', 'tidy', 'trim', 'sum', 'answer'])
    for (const { started_at, finished_at, worked_ms } of steps) {
      assert.ok(started_at !== null && finished_at !== null && started_at <= finished_at)
      assert.equal(worked_ms, finished_at - started_at)
    }
    assert.deepEqual(stepOf(trace, 'price').after, ['trim'])
    assert.deepEqual(stepOf(trace, 'sum').after, ['price', 'size'])
    assert.equal(stepOf(trace, 'entrance').topic, `waggle.gateway.${here.name}`)
    assert.equal(stepOf(trace, 'price').topic, `waggle.${here.name}.price`)
  })

  it('contains the number of requests that shared a call, and the reason why their batch was sent', async () => {
    const [id = ''] = await answered(['one', 'two', 'three'])
    const trace = await traced(id)
    assert.deepEqual([stepOf(trace, 'price').batch_size, stepOf(trace, 'price').batch_sent], [3, 'full'])
    assert.deepEqual([stepOf(trace, 'size').batch_size, stepOf(trace, 'size').batch_sent], [1, null])
  })

  it('names the other requests of the same batch, and no further requests', async () => {
    const ids = await answered(['one', 'two', 'three'])
    await answered(['four', 'five', 'six'])
    const [first = ''] = ids
    const trace = await traced(first)
    assert.deepEqual(stepOf(trace, 'price').batch_mates.toSorted(), ids.slice(1).toSorted())
    assert.deepEqual(stepOf(trace, 'size').batch_mates, [])
  })

  it('names the version of the model, and has a step for each attempt of an input that was retried from the dead letters', async () => {
    const [id = ''] = await answered(['unmended', 'two', 'three'])
    assert.deepEqual([stepOf(await traced(id), 'price').attempt, stepOf(await traced(id), 'price').model_version], [1, null])
    await answered(['mend', 'two', 'three'])
    const { dead_letters: letters } = (await (await fetch(`${here.url}/v1/dead-letters?swarm=${here.name}`)).json()) as DeadLetterPage
    const letter = letters.find(({ request_id: request }) => request === id) ?? assert.fail('the request has no letter')
    assert.equal((await fetch(`${here.url}/v1/dead-letters/${letter.id}/retry`, { method: 'POST' })).status, 202)
    await answered(['two', 'three'])
    const attempts = await eventually(async () => {
      const steps = (await traced(id)).steps.filter(({ bee }) => bee === 'price')
      return steps.length > 1 && steps
    })
    assert.deepEqual(
      attempts.map(({ attempt, error, model, model_version: version }) => [attempt, error?.code ?? null, model, version]),
      [
        [1, 'WAGGLE_BEE_FAILED', null, null],
        [2, null, 'pricing', '2'],
      ],
    )
  })

  it('names the failed bee, and the bees that passed its error on', async () => {
    const [id = ''] = await answered(['bad', 'two', 'three'])
    const trace = await traced(id)
    assert.equal(trace.state, 'failed')
    assert.deepEqual(stepOf(trace, 'price').error, { code: 'WAGGLE_BEE_FAILED', detail: 'no price', bee: 'price' })
    const { passed, error, started_at } = stepOf(trace, 'answer')
    assert.deepEqual({ passed, bee: error?.bee, started_at }, { passed: true, bee: 'price', started_at: null })
  })

  it('has the outcome of a request whose deadline has passed', async () => {
    const [id = ''] = await answered(['late'], { 'x-timeout-seconds': '0.05' })
    const trace = await traced(id)
    assert.deepEqual([trace.state, stepOf(trace, 'answer').error?.code], ['failed', 'WAGGLE_DEADLINE'])
  })

  it('is found for a request with an idempotency key, whose id contains no time', async () => {
    const [id = ''] = await Promise.all([answered(['one'], { 'idempotency-key': 'first' }), answered(['two', 'three'])]).then(([own]) => own)
    assert.equal((await traced(id)).steps.length, 7)
  })

  it('is answered with 404 and a reason if the log has no record of the request', async () => {
    const reasonFor = async (id: string) => {
      const answer = await patient(() => fetch(`${here.url}/v1/requests/${id}/trace`))
      assert.equal(answer.status, 404)
      return ((await answer.json()) as { readonly detail: string }).detail
    }
    assert.match(await reasonFor('nobody'), /never accepted here, or its records were deleted/)
    assert.match(await reasonFor('01890a5d-ac96-774b-bcce-b302099a8057'), /its id is of 2023-06-30T.+Z, and records are deleted after 86400 s/)
    assert.match(await reasonFor('%0aX'), /no request with such an id/)
  })

  it('is found in the list of requests by outcome, gateway and time, page by page', async () => {
    const begin = Date.now()
    const [bad = '', good = ''] = await answered(['bad', 'two', 'three'])
    const listed = async (query: string) => {
      const answer = await patient(() => fetch(`${here.url}/v1/requests?${query}`))
      assert.equal(answer.status, 200, query)
      return (await answer.json()) as RequestPage
    }
    const idsOf = async (query: string) => (await listed(query)).requests.map(({ request_id }) => request_id)
    const failed = await listed(`state=failed&from=${begin}`)
    assert.deepEqual(
      failed.requests.map(({ request_id, swarm, gateway, state, error }) => ({ request_id, swarm, gateway, state, bee: error?.bee })),
      [{ request_id: bad, swarm: here.name, gateway: here.name, state: 'failed', bee: 'price' }],
    )
    const all = await idsOf(`from=${new Date(begin).toISOString()}&gateway=${here.name}`)
    assert.equal(all.length, 3)
    assert.ok(all.includes(good))
    assert.ok(!(await idsOf(`to=${begin - 1}`)).includes(good))
    assert.deepEqual([await idsOf('swarm=other'), await idsOf(`state=pending&from=${begin}`)], [[], []])
    const paged: string[] = []
    for (let next: string | null = ''; next !== null; ) {
      const page = await listed(`max=1&from=${begin}${next === '' ? '' : `&after=${next}`}`)
      paged.push(...page.requests.map(({ request_id }) => request_id))
      next = page.next
    }
    assert.deepEqual(paged, all)
    for (const wrong of ['state=lost', 'from=yesterday', 'max=1001', 'after=nowhere'])
      assert.equal((await patient(() => fetch(`${here.url}/v1/requests?${wrong}`))).status, 400, wrong)
  })

  it('is refused to pages of other sites and to callers of a proxy', async () => {
    for (const headers of [{ origin: 'https://evil.example' }, { 'x-forwarded-for': '10.1.1.1' }])
      assert.equal((await patient(() => fetch(`${here.url}/v1/requests/nobody/trace`, { headers }))).status, 403)
  })
})
