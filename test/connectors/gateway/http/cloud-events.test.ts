import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { CloudEvent, HTTP } from 'cloudevents'
import { patient } from '../../../support/patient.ts'
import { SwarmHere } from '../../../support/swarm-here.ts'

const bees = `  - {name: work, type: module, input: {name: entrance}, spec: {file: ./event.mjs}}
  - {name: answer, type: respond, input: {name: work}}`
/** Answers with the bee's view of an event, or with bytes. */
const work = `let calls = 0
export default (input, request) => {
  if (input === 'fail') throw new Error('not this one')
  if (input === 'bytes') return { contentType: 'image/x', bytes: Uint8Array.of(1, 2) }
  const event = Object.fromEntries(request.headers.filter(({ key }) => key.startsWith('ce_')).map(({ key, value }) => [key, Buffer.from(value).toString()]))
  return { calls: ++calls, contentType: request.contentType, input: input instanceof Uint8Array ? Buffer.from(input).toString() : input, event }
}`

interface Seen {
  readonly calls: number
  readonly contentType: string
  readonly input: unknown
  readonly event: { readonly [name: string]: string }
}

interface Problem {
  readonly code: string
  readonly request_id: string
}

describe('A CloudEvent over HTTP', () => {
  let here: SwarmHere
  before(async () => {
    here = await SwarmHere.open({}, { bees, files: { 'event.mjs': work } })
  })
  after(() => here[Symbol.asyncDispose]())

  const post = (headers: Record<string, string>, body: string | Uint8Array<ArrayBuffer>, verb = 'request') =>
    patient(() => fetch(`${here.url}/v1/gateways/${here.name}/${verb}`, { method: 'POST', headers, body }))

  /** Sends an event that the SDK writes, and reads the answer with the SDK. */
  async function sent(event: CloudEvent<unknown>, mode: 'binary' | 'structured'): Promise<CloudEvent<unknown>> {
    const { headers, body } = HTTP[mode](event)
    const response = await post(headers as Record<string, string>, body as string)
    assert.equal(response.status, 200, await response.clone().text())
    const received = HTTP.toEvent({ headers: Object.fromEntries(response.headers), body: await response.text() })
    assert.ok(received instanceof CloudEvent)
    return received
  }

  for (const mode of ['binary', 'structured'] as const)
    it(`from the official SDK in the ${mode} mode becomes a request with its data, and gets an event in the same mode as the answer`, async () => {
      const event = new CloudEvent({
        source: '/shop/1',
        type: 'org.example.asked',
        subject: 'a "subject", für 100 %',
        time: '2026-01-31T12:00:00.000Z',
        tenant: 'seven',
        data: { question: 7 },
      })
      const answer = await sent(event, mode)
      const { calls, input, event: seen } = answer.data as Seen
      assert.deepEqual(input, { question: 7 })
      assert.deepEqual(seen, {
        ce_id: event.id,
        ce_source: '/shop/1',
        ce_type: 'org.example.asked',
        ce_specversion: '1.0',
        ce_subject: 'a "subject", für 100 %',
        ce_time: '2026-01-31T12:00:00.000Z',
        ce_tenant: 'seven',
      })
      assert.deepEqual([answer.type, answer.source, answer.causationid], ['waggle.answer', `/v1/gateways/${here.name}`, event.id])
      const state = (await (await fetch(`${here.url}/v1/requests/${answer.id}`)).json()) as { readonly state: string }
      assert.equal(state.state, 'answered')
      // A copy of the event is the same request, even in the other mode.
      const copy = await sent(event, mode === 'binary' ? 'structured' : 'binary')
      assert.deepEqual([copy.id, (copy.data as Seen).calls], [answer.id, calls])
    })

  it('carries bytes and texts in both modes', async () => {
    const base = { specversion: '1.0', source: '/s', type: 't' }
    const structured = (fields: object) =>
      post({ 'content-type': 'application/cloudevents+json; charset=utf-8' }, JSON.stringify({ ...base, ...fields }))
    const dataOf = async (response: Response) => ((await response.json()) as { readonly data: Seen }).data
    assert.deepEqual((await dataOf(await structured({ id: '1', datacontenttype: 'text/plain', data: 'hello' }))).input, 'hello')
    const seen = await dataOf(await structured({ id: '2', datacontenttype: 'text/csv', data_base64: Buffer.from('a,b').toString('base64') }))
    assert.deepEqual([seen.contentType, seen.input], ['text/csv', 'a,b'])
    const bytes = (await (await structured({ id: '3', data: 'bytes' })).json()) as { readonly datacontenttype: string; readonly data_base64: string }
    assert.deepEqual([bytes.datacontenttype, bytes.data_base64], ['image/x', 'AQI='])
    const binary = await post({ 'ce-specversion': '1.0', 'ce-id': '4', 'ce-source': '/s', 'ce-type': 't', 'content-type': 'text/csv' }, 'c,d')
    assert.deepEqual([binary.headers.get('content-type'), ((await binary.json()) as Seen).input], ['application/json', 'c,d'])
  })

  it('is submitted like any other request', async () => {
    const { headers, body } = HTTP.binary(new CloudEvent({ source: '/s', type: 't', data: 1 }))
    const response = await post(headers as Record<string, string>, body as string, 'submit')
    assert.equal(response.status, 202)
  })

  const good = { specversion: '1.0', id: '1', source: '/s', type: 't' }
  const wrong: { readonly [what: string]: unknown } = {
    'a body that is not an object': [],
    'a body that is not JSON': undefined,
    'another version of CloudEvents': { ...good, specversion: '0.3' },
    'no id': { ...good, id: undefined },
    'an empty source': { ...good, source: '' },
    'an attribute with capitals': { ...good, Tenant: 'x' },
    'a structured attribute': { ...good, tenant: { a: 1 } },
    'a wrong time': { ...good, time: 'today' },
    'two forms of data': { ...good, data: 1, data_base64: 'AQ==' },
    'data that is not base64': { ...good, data_base64: '*' },
    'attributes that are too large together': { ...good, ...Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((name) => [name, 'x'.repeat(4000)])) },
    'a line break in an attribute': { ...good, subject: 'a\r\nset-cookie: b' },
  }
  for (const [what, event] of Object.entries(wrong))
    it(`is refused with a reason if it has ${what}`, async () => {
      const response = await post({ 'content-type': 'application/cloudevents+json' }, event === undefined ? '{' : JSON.stringify(event))
      const { code } = (await response.json()) as { readonly code: string }
      assert.deepEqual([response.status, code], [400, 'WAGGLE_BAD_CLOUD_EVENT'])
    })

  it('is refused if it is not complete in its headers', async () => {
    assert.equal((await post({ 'ce-specversion': '1.0', 'content-type': 'application/json' }, '1')).status, 400)
  })

  describe('in a batch', () => {
    const batchType = 'application/cloudevents-batch+json'
    const batch = (events: unknown, verb = 'request') => post({ 'content-type': batchType }, JSON.stringify(events), verb)
    const event = (id: string, data: unknown) => ({ specversion: '1.0', id, source: '/batch', type: 't', data })

    it('is a request of its own, and the answers are a batch that the official SDK reads, in the order of the events', async () => {
      const response = await batch([event('b1', 'one'), event('b2', 'bytes'), event('b3', 'fail'), event('b1', 'one')])
      assert.equal(response.status, 200, await response.clone().text())
      assert.equal(response.headers.get('content-type'), batchType)
      const answers = HTTP.toEvent({ headers: { 'content-type': batchType }, body: await response.text() })
      assert.ok(Array.isArray(answers))
      assert.deepEqual(
        answers.map(({ causationid, type, datacontenttype }) => [causationid, type, datacontenttype]),
        [
          ['b1', 'waggle.answer', 'application/json'],
          ['b2', 'waggle.answer', 'image/x'],
          ['b3', 'waggle.problem', 'application/problem+json'],
          ['b1', 'waggle.answer', 'application/json'],
        ],
      )
      const [one, bytes, failed, copy] = answers.map(({ id, data, data_base64 }) => ({ id, data: data as Seen & Problem, data_base64 }))
      assert.ok(one !== undefined && failed !== undefined)
      assert.deepEqual([one.data.input, one.data.event.ce_id], ['one', 'b1'])
      assert.deepEqual([one.id, one.data], [copy?.id, copy?.data])
      assert.equal(bytes?.data_base64, 'AQI=')
      assert.deepEqual([failed.data.code, failed.data.request_id], ['WAGGLE_BEE_FAILED', failed.id])
      // An event that is sent alone is the same request as this event in a batch.
      const alone = await post({ 'content-type': 'application/cloudevents+json' }, JSON.stringify(event('b1', 'one')))
      assert.equal(((await alone.json()) as { readonly id: string }).id, one.id)
    })

    it('has no answers if the batch is empty', async () => {
      const response = await batch([])
      assert.deepEqual([response.status, await response.text()], [200, '[]'])
    })

    it('is refused with its whole batch, if the batch has something else or too many', async () => {
      const refusals = [
        [await batch([event('c1', 1), { id: 'c2' }]), 400, /Event 1 of the batch/],
        [await batch(event('c1', 1)), 400, /no JSON array/],
        [await batch(Array.from({ length: 1001 }, (_, at) => event(`d${at}`, at))), 413, /1001 events/],
        [await batch([event('c1', 1)], 'submit'), 415, /submit takes one event/],
      ] as const
      for (const [response, status, why] of refusals) {
        assert.equal(response.status, status)
        assert.match(((await response.json()) as { readonly detail: string }).detail, why)
      }
    })
  })
})
