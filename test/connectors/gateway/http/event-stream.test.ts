import assert from 'node:assert/strict'
import { it } from 'node:test'
import fastify from 'fastify'
import { EventStream } from '../../../../connectors/gateway/http/event-stream.ts'
import { SimulatedClock } from '../../../../processor/simulation/simulated-clock.ts'

it('An event stream whose caller does not read ends at its limit of bytes, after the events that it has accepted', async () => {
  let closed = 0
  const stream = new EventStream(new SimulatedClock(), () => {
    closed++
  })
  for (let at = 0; at < 20; at++) stream.send('bee', String(at), { text: 'x'.repeat(100_000) })
  const app = fastify()
  app.get('/', (_, reply) => stream.answer(reply))
  const { payload } = await app.inject('/')
  assert.deepEqual(
    [...payload.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
    Array.from({ length: 11 }, (_, at) => at),
  )
  assert.deepEqual([stream.isClosed, closed], [true, 1])
  await app.close()
})

it('An event stream sends a comment at its start and every 15 s, and no comment after its end', async () => {
  const clock = new SimulatedClock()
  const app = fastify()
  const stream = new EventStream(clock, () => {})
  app.get('/', (_, reply) => stream.answer(reply))
  await clock.advance(45_000)
  stream.end()
  const { payload } = await app.inject('/')
  assert.equal(payload, ': \n\n'.repeat(4))
  await clock.advance(60_000)
  await app.close()
})

it('An event stream delivers an event that is larger than its limit', async () => {
  const app = fastify()
  const text = 'x'.repeat(3_000_000)
  app.get('/', (_, reply) => {
    const stream = new EventStream(new SimulatedClock(), () => {})
    stream.send('answer', '1', { text })
    stream.end()
    return stream.answer(reply)
  })
  const { payload } = await app.inject('/')
  assert.equal(payload, `: \n\nevent: answer\nid: 1\ndata: ${JSON.stringify({ text })}\n\n`)
  await app.close()
})
