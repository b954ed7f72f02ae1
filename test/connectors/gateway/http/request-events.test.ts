import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { patient } from '../../../support/patient.ts'
import { SwarmHere } from '../../../support/swarm-here.ts'

const bees = `  - {name: tidy, type: module, input: {name: entrance}, spec: {file: ./bees.mjs, bee: tidy}}
  - {name: size, type: module, input: {name: tidy}, spec: {file: ./bees.mjs, bee: size}}
  - {name: price, type: module, input: {name: tidy}, spec: {file: ./bees.mjs, bee: price}}
  - {name: sum, type: weighted-average-ensemble, input: {join: [size, price]}}
  - {name: answer, type: respond, input: {name: sum}}`
/** `price` waits for a second request with the text `go`. */
const modules = `let go = () => {}
export const tidy = (input) => input
const prediction = { label: 'dear', scores: { dear: 1 } }
export const size = () => prediction
export const price = ({ text }) => {
  if (text === 'bad') throw new Error('no price in /srv/secret/place.ts')
  if (text === 'go') go()
  return text === 'wait' ? new Promise((done) => { go = () => done(prediction) }) : prediction
}`

interface SentEvent {
  readonly event: string
  readonly id: string
  readonly data: {
    readonly bee?: string
    readonly request_id?: string
    readonly state?: string
    readonly answer?: unknown
    readonly problem?: { readonly status: number }
    readonly error?: { readonly detail: string }
    readonly started_at?: number
  }
}

function eventIn(text: string): SentEvent {
  const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? ''
  return { event: field('event'), id: field('id'), data: JSON.parse(field('data')) as SentEvent['data'] }
}

async function* eventsOf(response: Response): AsyncGenerator<SentEvent> {
  let text = ''
  for await (const chunk of (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const whole = text.split('\n\n')
    text = whole.pop() ?? ''
    for (const one of whole) if (!one.startsWith(':')) yield eventIn(one)
  }
}

const namesOf = (events: readonly SentEvent[]) => events.map(({ event, data }) => (event === 'bee' ? data.bee : event))

describe('The events of a request', () => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { bees, files: { 'bees.mjs': modules } })
  })
  after(() => here[Symbol.asyncDispose]())

  const streamed = (text: string, headers: { readonly [name: string]: string } = {}) =>
    patient(() => here.ask({ text }, { headers: { accept: 'text/event-stream', ...headers } }))
  const eventsSince = (id: string, lastEventId?: string) =>
    patient(() => fetch(`${here.url}/v1/requests/${id}/events`, lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } }))

  it('are its acceptance, each bee that has finished, and its answer', async () => {
    const response = await streamed('one')
    assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'text/event-stream'])
    const events = await Array.fromAsync(eventsOf(response))
    const names = namesOf(events)
    assert.deepEqual(names.toSorted(), ['accepted', 'answer', 'price', 'size', 'sum', 'tidy'])
    assert.equal(names.at(-1), 'answer')
    for (const { event, data } of events) if (event === 'bee') assert.equal(typeof data.started_at, 'number')
    const { request_id, state, answer } = events.at(-1)?.data ?? assert.fail()
    assert.deepEqual([request_id, state, (answer as { label: string }).label], [response.headers.get('x-request-id'), 'answered', 'dear'])
  })

  it('arrive while the request is computed, and continue after the last event that a caller has received', async () => {
    const live = eventsOf(await streamed('wait'))
    const begun: SentEvent[] = []
    for (;;) {
      const { value } = await live.next()
      begun.push(value ?? assert.fail('the stream ended'))
      if (value?.data.bee === 'size') break
    }
    assert.ok(!namesOf(begun).includes('answer'))
    const id = begun.find(({ event }) => event === 'accepted')?.data.request_id ?? ''
    const behind = await eventsSince(id, begun.at(-1)?.id)
    assert.equal(behind.status, 200)
    await (await patient(() => here.ask({ text: 'go' }))).body?.cancel()
    const rest = await Array.fromAsync(live)
    assert.deepEqual(namesOf(rest).toSorted(), ['answer', 'price', 'sum'])
    assert.deepEqual(namesOf(await Array.fromAsync(eventsOf(behind))).toSorted(), ['answer', 'price', 'sum'])
    assert.equal((await eventsSince(id, rest.at(-1)?.id)).status, 204)
    assert.deepEqual(namesOf(await Array.fromAsync(eventsOf(await eventsSince(id)))).toSorted(), [
      'accepted',
      'answer',
      'price',
      'size',
      'sum',
      'tidy',
    ])
  })

  it('name the failed bee without folders, and end with the problem as the answer', async () => {
    const events = await Array.fromAsync(eventsOf(await streamed('bad')))
    assert.doesNotMatch(JSON.stringify(events), /secret/)
    assert.match(events.find(({ data }) => data.bee === 'price')?.data.error?.detail ?? '', /^no price in/)
    const { state, problem } = events.at(-1)?.data ?? assert.fail()
    assert.deepEqual([state, problem?.status], ['failed', 502])
  })

  it('are sent again for the same idempotency key, while a repeated key with another body gets status 422', async () => {
    const key = { 'idempotency-key': 'once' }
    const names = namesOf(await Array.fromAsync(eventsOf(await streamed('one', key)))).toSorted()
    assert.deepEqual(namesOf(await Array.fromAsync(eventsOf(await streamed('one', key)))).toSorted(), names)
    assert.equal((await streamed('two', key)).status, 422)
  })

  it('are answered with 404 for an unknown request', async () => {
    for (const id of ['nobody', '01890a5d-ac96-774b-bcce-b302099a8057', '%0a']) assert.equal((await eventsSince(id)).status, 404)
  })
})
