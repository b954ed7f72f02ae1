import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { GrpcCaller } from '../../support/grpc-caller.ts'
import { SwarmHere } from '../../support/swarm-here.ts'

/** Publishes three parts before its result. */
const counting = `export default async function* count({ to }) {
  for (let number = 1; number <= to; number++) yield { number }
}
`

interface Event {
  readonly id: string
  readonly name: string
  readonly json?: string
  readonly outcome?: { readonly state: string; readonly answer?: { readonly data: Buffer } }
}

describe('A stream of a request over gRPC', () => {
  it('contains the parts that a bee publishes, in order, and continues after any of its events', async () => {
    await using swarm = await SwarmHere.open({}, { files: { 'work.mjs': counting } })
    const caller = new GrpcCaller(swarm.grpc)
    const input = { gateway: swarm.name, data: Buffer.from('{"to": 3}') }
    const events = (await caller.stream('waggle.v1.Gateway/RequestStream', input)) as unknown as readonly Event[]
    assert.deepEqual(
      events.map(({ name }) => name),
      ['accepted', 'part', 'part', 'part', 'bee', 'answer'],
    )
    const partOf = ({ json = '' }: Event) => (JSON.parse(json) as { readonly part: unknown }).part
    assert.deepEqual(events.slice(1, 4).map(partOf), [{ number: 1 }, { number: 2 }, { number: 3 }])
    const id = (JSON.parse(events[0]?.json ?? '') as { readonly request_id: string }).request_id
    const rest = (await caller.stream('waggle.v1.Gateway/Events', { request_id: id, last_event_id: events[2]?.id })) as unknown as readonly Event[]
    assert.deepEqual(
      rest.map(({ id: event, name }) => [event, name]),
      events.slice(3).map(({ id: event, name }) => [event, name]),
    )
    assert.equal(rest.at(-1)?.outcome?.state, 'ANSWERED')
    assert.deepEqual(await caller.stream('waggle.v1.Gateway/Events', { request_id: id, last_event_id: events.at(-1)?.id }), [])
    caller.close()
  })

  it('ends with a status if the request is refused, because its key was used with another input', async () => {
    await using swarm = await SwarmHere.open({})
    const caller = new GrpcCaller(swarm.grpc)
    const headers = { 'idempotency-key': 'one' }
    const ask = (data: string) => caller.stream('waggle.v1.Gateway/RequestStream', { gateway: swarm.name, data: Buffer.from(data) }, { headers })
    assert.equal((await ask('{"a": 1}')).length, 3)
    const [refused, ...more] = await ask('{"a": 2}')
    assert.deepEqual([refused?.status, refused?.error, more], ['INVALID_ARGUMENT', 'WAGGLE_KEY_REUSED', []])
    caller.close()
  })

  it('ends with the problem of a failed bee', async () => {
    await using swarm = await SwarmHere.open({}, { files: { 'work.mjs': 'export default () => { throw new Error("no such number") }\n' } })
    const caller = new GrpcCaller(swarm.grpc)
    const input = { gateway: swarm.name, data: Buffer.from('1') }
    const last = (await caller.stream('waggle.v1.Gateway/RequestStream', input)).at(-1) as unknown as {
      readonly outcome: { readonly state: string; readonly problem: object }
    }
    const { state, problem } = last.outcome
    assert.equal(state, 'FAILED')
    assert.deepEqual({ ...problem, detail: '' }, { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'A bee failed', detail: '', bee: 'work' })
    caller.close()
  })
})
