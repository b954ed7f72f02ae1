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

  it('is refused if it is part of a batch, or if its headers are incomplete', async () => {
    assert.equal((await post({ 'content-type': 'application/cloudevents-batch+json' }, '[]')).status, 415)
    assert.equal((await post({ 'ce-specversion': '1.0', 'content-type': 'application/json' }, '1')).status, 400)
  })
})
