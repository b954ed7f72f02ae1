import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
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

it('An event stream ends at its bound of memory too if its events are small', async () => {
  const stream = new EventStream(new SimulatedClock(), () => {})
  let sent = 0
  while (!stream.isClosed && sent < 20_000) stream.send('bee', String(sent++), {})
  const app = fastify()
  app.get('/', (_, reply) => stream.answer(reply))
  const { payload } = await app.inject('/')
  const given = payload.match(/^event: bee$/gm)?.length ?? 0
  // An event of some thirty bytes takes ten times as much.
  assert.deepEqual([given > 3000 && given < 4096, given], [true, sent - 1])
  await app.close()
})

it('An event stream whose caller reads gives any number of events, in their order', async () => {
  const app = fastify()
  const stream = new EventStream(new SimulatedClock(), () => {})
  app.get('/', (_, reply) => stream.answer(reply))
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/`)
  let text = ''
  let next = 0
  const send = () => {
    for (const end = next + 100; next < end; next++) stream.send('bee', String(next), { text: 'x'.repeat(1000) })
  }
  send()
  for await (const chunk of (response.body ?? assert.fail('no body')).pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (!text.endsWith('\n\n') || !text.includes(`\nid: ${next - 1}\n`)) continue
    if (next < 3000) send()
    else stream.end()
  }
  assert.deepEqual(
    [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
    Array.from({ length: 3000 }, (_, at) => at),
  )
  await app.close()
})

it('An event stream sends a comment at its start and every 15 s, and none after its end', async () => {
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
