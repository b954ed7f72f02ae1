import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Gateway, GatewayError, type RequestEvent } from 'waggle-streams/client'
import { GrpcCaller } from '../../support/grpc-caller.ts'
import { patient } from '../../support/patient.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

const bees = `  - {name: chat, type: module, input: {name: entrance}, timeout_seconds: 20, spec: {file: ./chat.mjs}}
  - {name: answer, type: respond, input: {name: chat}}`
/** Yields the items of \`parts\`. The part \`wait\` is yielded when another request has the input \`go\`. */
const chat = `let go = () => {}
export default async function* ({ parts = [], result, fails }) {
  if (parts === 'go') return go()
  for (const part of parts) {
    if (part === 'wait') await new Promise((done) => { go = done })
    yield part?.bytes === undefined ? part : { contentType: part.contentType, bytes: Buffer.from(part.bytes) }
  }
  if (fails) throw new Error('it broke in /srv/secret/chat.ts')
  return result
}
`

async function all(stream: AsyncIterable<RequestEvent>): Promise<readonly RequestEvent[]> {
  return Array.fromAsync(stream)
}

const partsOf = (events: readonly RequestEvent[]) => events.flatMap((event) => (event.kind === 'part' ? [[event.bee, event.number, event.part]] : []))
const answerOf = (events: readonly RequestEvent[]) => events.flatMap((event) => (event.kind === 'answer' ? [event.answer] : []))

const looping = `  - {name: again, type: loop, input: {stack: [entrance, chat]}, spec: {while: "length(text) < \`4\`", body: chat, max_rounds: 5}}
  - {name: chat, type: module, input: {name: again}, spec: {file: ./chat.mjs}}
  - {name: answer, type: respond, input: {name: again}}`

it('The parts of a bee in a loop are counted from 0 in each round', async () => {
  const files = { 'chat.mjs': 'export default async function* ({ text }) { yield text; yield "b"; return { text: text + "b" } }' }
  await using here = await SwarmHere.open({}, { bees: looping, files })
  const events = await all(new Gateway(here.url).stream({ text: 'aa' }, { gateway: here.name }))
  assert.deepEqual(
    events.flatMap((event) => (event.kind === 'part' ? [[event.round, event.number, event.part]] : [])),
    [
      ['again=1', 0, 'aa'],
      ['again=1', 1, 'b'],
      ['again=2', 0, 'aab'],
      ['again=2', 1, 'b'],
    ],
  )
  assert.deepEqual(answerOf(events), [{ text: 'aabb' }])
})

it('The parts of a bee reach a caller of the gRPC gateway, which can continue after its last event', async () => {
  await using here = await SwarmHere.open({ WAGGLE_GRPC_PORT: '0' }, { bees, files: { 'chat.mjs': chat } })
  const caller = new GrpcCaller(here.grpc)
  try {
    const input = { gateway: here.name, data: Buffer.from('{"parts": ["a", "b"]}') }
    const events = (await caller.stream('waggle.v1.Gateway/RequestStream', input)) as readonly { readonly [field: string]: string }[]
    const dataOf = (given: typeof events) => given.flatMap(({ name, json }) => (name === 'part' ? [JSON.parse(json ?? '')] : []))
    const [first, second] = [0, 1].map((number) => ({ bee: 'chat', number, part: number === 0 ? 'a' : 'b' }))
    assert.deepEqual(dataOf(events), [first, second])
    assert.equal(events.at(-1)?.name, 'answer')
    const { request_id } = JSON.parse(events.find(({ name }) => name === 'accepted')?.json ?? '')
    const rest = await caller.stream('waggle.v1.Gateway/Events', { request_id, last_event_id: events.find(({ name }) => name === 'part')?.id })
    assert.deepEqual(dataOf(rest as typeof events), [second])
  } finally {
    caller.close()
  }
})

for (const { where, spec } of [
  { where: 'in the process', spec: '{file: ./chat.mjs}' },
  { where: 'in a thread', spec: '{file: ./chat.mjs, workers: 1}' },
])
  describe(`The parts of an async generator ${where}`, () => {
    let here: SwarmHere
    let gateway: Gateway
    before(async () => {
      here = await SwarmHere.open({}, { bees: bees.replace('{file: ./chat.mjs}', spec), files: { 'chat.mjs': chat } })
      gateway = new Gateway(here.url)
    })
    after(() => here[Symbol.asyncDispose]())
    const stream = (payload: unknown, more: { readonly idempotencyKey?: string } = {}) =>
      all(gateway.stream(payload, { gateway: here.name, ...more }))

    it('reach the caller in order, before the answer, which joins the texts', async () => {
      const events = await stream({ parts: ['to', 'get', 'her'] })
      assert.deepEqual(partsOf(events), [
        ['chat', 0, 'to'],
        ['chat', 1, 'get'],
        ['chat', 2, 'her'],
      ])
      assert.deepEqual([events.at(0)?.kind, events.at(-1)?.kind], ['accepted', 'answer'])
      assert.deepEqual(answerOf(events), ['together'])
    })

    it('become a list if they are JSON and bytes if they are bytes, and do not change the answer if the bee returns a result', async () => {
      assert.deepEqual(answerOf(await stream({ parts: [{ row: 1 }, 'text', null] })), [[{ row: 1 }, 'text', null]])
      assert.deepEqual(answerOf(await stream({ parts: ['a', 'b'], result: { words: 2 } })), [{ words: 2 }])
      const bytes = await stream({
        parts: [
          { contentType: 'image/x', bytes: [1] },
          { contentType: 'image/x', bytes: [2] },
        ],
      })
      assert.deepEqual(partsOf(bytes)[0], ['chat', 0, { content_type: 'image/x', base64: 'AQ==' }])
      assert.deepEqual(answerOf(bytes), [{ content_type: 'image/x', base64: 'AQI=' }])
    })

    it('arrive while the bee works, and a second caller can continue after the last event', async () => {
      const events = gateway.stream({ parts: ['one', 'wait', 'two'] }, { gateway: here.name, idempotencyKey: `slow ${where}` })
      const seen: RequestEvent[] = []
      for await (const event of events) {
        seen.push(event)
        if (event.kind !== 'part' || event.number > 0) continue
        assert.equal((await gateway.get(seen.flatMap((one) => (one.kind === 'accepted' ? [one.requestId] : []))[0] ?? '')).state, 'pending')
        await gateway.request({ parts: 'go' }, { gateway: here.name })
      }
      assert.deepEqual(
        partsOf(seen).map(([, , part]) => part),
        ['one', 'wait', 'two'],
      )
      // The same key again means the same request, whose parts are in the log.
      assert.deepEqual(partsOf(await stream({ parts: ['one', 'wait', 'two'] }, { idempotencyKey: `slow ${where}` })), partsOf(seen))
      const id = seen.flatMap((one) => (one.kind === 'accepted' ? [one.requestId] : []))[0] ?? ''
      const text = async (last: string) =>
        (await patient(() => fetch(`${here.url}/v1/requests/${id}/events`, { headers: { 'last-event-id': last } }))).text()
      const rest = await text('*.chat~0')
      assert.deepEqual(
        [...rest.matchAll(/"number":(\d)/g)].map(([, number]) => number),
        ['1', '2'],
      )
      assert.match(rest, /event: answer\n/)
      assert.doesNotMatch(await text('*.chat~2'), /event: part\n/)
    })

    it('are kept if the bee fails after them, and the error is the last event', async () => {
      const events: RequestEvent[] = []
      const failed = await (async () => {
        for await (const event of gateway.stream({ parts: ['one'], fails: true }, { gateway: here.name })) events.push(event)
      })().catch((error: unknown) => error)
      assert.ok(failed instanceof GatewayError)
      assert.deepEqual([failed.status, failed.bee], [502, 'chat'])
      assert.match(failed.detail, /^it broke in/)
      assert.doesNotMatch(failed.detail, /secret/)
      assert.deepEqual(partsOf(events), [['chat', 0, 'one']])
    })

    it('are limited in bytes and in number', async () => {
      for (const parts of [['x'.repeat(300_000)], Array(40).fill('x'.repeat(250_000)), Array(10_001).fill('')]) {
        const failed = await stream({ parts }).catch((error: unknown) => error)
        assert.ok(failed instanceof GatewayError, `${parts.length} parts`)
        assert.equal(failed.code, 'WAGGLE_TOO_MANY_PARTS')
      }
    })
  })
