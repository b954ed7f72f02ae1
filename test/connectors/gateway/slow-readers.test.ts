import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { describe, it } from 'node:test'
import { AnswerRoom } from '../../../connectors/claims/answer-room.ts'
import { SimulatedClock } from '../../../processor/simulation/simulated-clock.ts'
import { inlineAnswers } from '../../../topology/swarm/request/answers.ts'
import { readBack } from '../../../topology/swarm/request/durable.ts'
import type { RequestEvents } from '../../../topology/swarm/request/request-events.ts'
import type { Requests } from '../../../topology/swarm/request/requests.ts'
import { largeAnswers } from '../../support/claimed-answers.ts'
import { doorModels, echo, openEchoGateway, openEchoGrpc } from '../../support/echo-gateway.ts'
import { requestBytes } from '../../support/grpc-caller.ts'
import { eventually } from '../../support/swarm-here.ts'

/** More than the buffers of a connection take. */
const bytes = 16 * 1024 * 1024
const text = Buffer.from(JSON.stringify('x'.repeat(bytes - 2)))

/** The only event of every request is its outcome. */
const events: RequestEvents = {
  async follow(_id, _last, listener) {
    listener({ kind: 'outcome', id: '!' })
    return { async finish() {}, end() {} }
  },
  async await(_gateway, _id, listener) {
    return { finish: async () => void listener({ kind: 'outcome', id: '!' }), end() {} }
  },
}

describe('An answer that its HTTP caller does not read', () => {
  const call = (verb: string, path: string, headers: readonly string[] = [], body = '') =>
    [`${verb} ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, `content-length: ${body.length}`, '', body].join('\r\n')
  const json = 'content-type: application/json'
  const event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1}'
  const input = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}'
  const ways = {
    'a request': call('POST', '/v1/gateways/door/request', [json], '1'),
    'a CloudEvent': call('POST', '/v1/gateways/door/request', ['content-type: application/cloudevents+json'], event),
    'a state that is asked for': call('GET', '/v1/requests/r1'),
    'a stream of a request': call('POST', '/v1/gateways/door/request', [json, 'accept: text/event-stream'], '1'),
    'events that are followed': call('GET', '/v1/requests/r1/events'),
    lines: call('POST', '/v1/gateways/door/request', ['content-type: application/x-ndjson'], '1\n2\n3\n'),
    'a batch of events': call('POST', '/v1/gateways/door/request', ['content-type: application/cloudevents-batch+json'], `[${event},${event}]`),
    'an inference': call('POST', '/v2/models/door/infer', [json], input),
  }
  for (const [name, sent] of Object.entries(ways))
    it(`takes room in memory until it is read or its connection is gone: ${name}`, { timeout: 60_000 }, async () => {
      const { requests, answers, room, store } = await largeAnswers(text, 'application/json')
      const gateway = await openEchoGateway({ requests, answers, events, models: doorModels() })
      const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
      try {
        socket.pause()
        socket.write(sent)
        await eventually(async () => (room.takenBytes > 0 && store.gets.length > 0 ? true : null))
        // The answer is in memory once, and stays there as long as the caller waits.
        await sameFor(20, () => assert.deepEqual([room.takenBytes, store.gets.length], [bytes, 1]))
        socket.destroy()
        await eventually(async () => (room.takenBytes === 0 ? true : null))
        const whole = await readAll(Number(new URL(gateway.url).port), sent.replace('\r\n', '\r\nconnection: close\r\n'))
        assert.ok(whole > (name === 'lines' ? 3 : name === 'a batch of events' ? 2 : 1) * bytes, `${whole} bytes`)
        await eventually(async () => (room.takenBytes === 0 ? true : null))
      } finally {
        socket.destroy()
        await gateway.close()
      }
    })

  for (const [name, sent] of Object.entries(ways).filter(([way]) => way !== 'an inference'))
    it(`counts without a claim store too, and its caller is cut when callers read too slowly: ${name}`, { timeout: 60_000 }, async () => {
      const answer = { kind: 'json' as const, json: 'x'.repeat(bytes) }
      const requests: Requests = {
        ...echo,
        request: async ({ id }) => readBack({ id, state: 'answered', answer }),
        find: async () => readBack({ state: 'answered' as const, answer, bodyHash: '' }),
      }
      const clock = new SimulatedClock()
      const memory = new AnswerRoom({ clock, maxBytes: bytes / 2 })
      const gateway = await openEchoGateway({ requests, memory, events, models: doorModels() })
      const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
      socket.on('error', () => {})
      const gone = once(socket, 'close')
      try {
        socket.pause()
        socket.write(sent)
        await eventually(async () => memory.takenBytes >= bytes)
        await clock.advance(9_000)
        assert.ok(memory.takenBytes >= bytes)
        await clock.advance(120_000)
        assert.equal(memory.takenBytes, 0)
        socket.resume()
        await gone
        const whole = await readAll(Number(new URL(gateway.url).port), sent.replace('\r\n', '\r\nconnection: close\r\n'))
        assert.ok(whole > bytes, `${whole} bytes`)
        await eventually(async () => memory.takenBytes === 0)
      } finally {
        socket.destroy()
        await gateway.close()
      }
    })

  it('takes turns with the other answers of its batch, also if there is room for one only', { timeout: 60_000 }, async () => {
    for (const order of ['input', 'done']) {
      const { requests, answers, room } = await largeAnswers(text, 'application/json', { maxBytes: bytes })
      const gateway = await openEchoGateway({ requests, answers })
      try {
        const path = `/v1/gateways/door/request?order=${order}`
        const response = await fetch(gateway.url + path, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: '1\n2\n3\n' })
        const lengths = (await response.text())
          .trim()
          .split('\n')
          .map((line) => (JSON.parse(line) as { readonly answer: string }).answer.length)
        assert.deepEqual(lengths, [bytes - 2, bytes - 2, bytes - 2])
        await eventually(async () => (room.takenBytes === 0 ? true : null))
      } finally {
        await gateway.close()
      }
    }
  })

  it('is an error, and never the reference, in a process without a claim store', async () => {
    const { requests } = await largeAnswers(text, 'application/json')
    const gateway = await openEchoGateway({ requests, answers: inlineAnswers })
    try {
      const response = await fetch(`${gateway.url}/v1/gateways/door/request`, { method: 'POST', body: '1' })
      const { code, detail } = (await response.json()) as { readonly code: string; readonly detail: string }
      assert.deepEqual([response.status, code], [500, 'WAGGLE_CLAIM_STORE'])
      assert.match(detail, /this process has no claim store/)
    } finally {
      await gateway.close()
    }
  })

  async function readAll(port: number, sent: string): Promise<number> {
    const socket = connect(port, '127.0.0.1')
    socket.write(sent)
    let read = 0
    for await (const chunk of socket) read += (chunk as Buffer).length
    return read
  }
})

describe('An answer that its gRPC caller does not read', () => {
  const framed = (path: string, message: object) => {
    const encoded = requestBytes(path, message)
    const head = Buffer.alloc(5)
    head.writeUInt32BE(encoded.length, 1)
    return Buffer.concat([head, encoded])
  }
  const numbers = { model_name: 'door', inputs: [{ name: 'x', datatype: 'FP32', shape: [1], contents: { fp32_contents: [1] } }] }
  const ways = {
    'waggle.v1.Gateway/Request': { gateway: 'door', data: Buffer.from('1') },
    'waggle.v1.Gateway/RequestStream': { gateway: 'door', data: Buffer.from('1') },
    'waggle.v1.Gateway/Events': { request_id: 'r1' },
    'waggle.v1.Gateway/Get': { request_id: 'r1' },
    'inference.GRPCInferenceService/ModelInfer': numbers,
    'inference.GRPCInferenceService/ModelStreamInfer': numbers,
  }
  for (const [path, message] of Object.entries(ways))
    it(`takes room in memory until it is read or its call is gone: ${path}`, { timeout: 60_000 }, async () => {
      const { requests, answers, room } = await largeAnswers(text, 'application/json')
      const gateway = await openEchoGrpc({ requests, answers, events, maxBodiesBytes: 16 * bytes })
      const session = connectHttp2(`http://${gateway.address}`)
      session.on('error', () => {})
      const called = () => {
        const stream = session.request({ ':method': 'POST', ':path': `/${path}`, 'content-type': 'application/grpc', te: 'trailers' })
        stream.on('error', () => {})
        stream.end(framed(path, message))
        return stream
      }
      try {
        const unread = called()
        unread.pause()
        await eventually(async () => (room.takenBytes > 0 ? true : null))
        await sameFor(20, () => assert.equal(room.takenBytes, bytes))
        unread.close(8)
        await eventually(async () => (room.takenBytes === 0 ? true : null))
        const read = called()
        let length = 0
        for await (const chunk of read) length += (chunk as Buffer).length
        assert.ok(length >= bytes, `${length} bytes`)
        await eventually(async () => (room.takenBytes === 0 ? true : null))
      } finally {
        session.destroy()
        await gateway.close()
      }
    })
})

/** Checks that something stays true while the event loop turns. */
async function sameFor(turns: number, check: () => void): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    check()
    await new Promise(setImmediate)
  }
}
