import assert from 'node:assert/strict'
import { encodeRequest } from '../../connectors/processes/message-codec.ts'
import { type Heard, MessageStream } from '../../connectors/processes/message-stream.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { encodeTensors } from '../../topology/swarm/payload/tensor-codec.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { FuzzTarget } from './target.ts'

const maxBytes = 2048
/** The size limit of one attempt, which also feeds its input byte by byte. */
const maxInputBytes = 32 * 1024
const neverAborted = new AbortController().signal
const extras = { attempt: 1, more: false, withHeaders: false, withParts: false }

/**
 * A bee's standard output, in chunks of any size. The first byte of an input is the seed of the cuts. Every cut must give the same messages or the
 * same protocol error. The stream must hold no more bytes than its limit, and each result must fit into a topic.
 */
export const target: FuzzTarget = {
  name: 'bee-protocol',
  seeds: [
    lines('{"waggle":1}', '{"id":1,"json":{"words":3}}', '{"id":2,"refuse":"not a photo"}', '{"id":3,"error":"lens cap"}'),
    lines(
      '{"waggle":1}',
      '{"id":1,"content_type":"image/png","base64":"AQID"}',
      '',
      '{"id":2,"tensors":[{"name":"x","datatype":"FP32","shape":[2],"base64":"AAAAAAAAAAA="}]}',
    ),
    Buffer.concat([lines('{"waggle":1,"form":"binary"}'), ...frames()]),
  ],
  dictionary: [
    '{"waggle":1}\n',
    '{"waggle":1,"form":"binary"}\n',
    '{"loading":"a"}\n',
    '{"failed":"a"}\n',
    '{"waggle":1,"window":7}\n',
    '{"window":0}',
    '{"pong":1}',
    '"wants":["cancel"]',
    '"id":',
    '"json":',
    '"tensors":[',
    '"shape":[',
    '1e308',
    '-0',
    '"at":',
    '"length":',
    '"base64":',
    '"content_type":',
    '\\r\\n',
    '"datatype":"INT64"',
    '__proto__',
    '\n\n\n\n',
    '\u0000\u0000\u0000\u0000',
    '\xff\xff\xff\xff',
    '[[[[[[[[',
  ].map((text) => Buffer.from(text, 'latin1')),
  attempt(input) {
    const output = Buffer.from(input.subarray(1, maxInputBytes))
    const whole = heardFrom([output])
    assert.deepEqual(heardFrom(cut(output, input[0] ?? 0)), whole)
    assert.deepEqual(heardFrom(Array.from(output, (byte) => Buffer.of(byte))), whole)
    for (const heard of whole)
      if (typeof heard !== 'string' && heard.kind === 'result' && !(heard.outcome instanceof WaggleError))
        for (const payload of payloadsOf(heard.outcome)) written(payload)
  },
}

function payloadsOf(result: BeeResult): readonly Payload[] {
  if (!(result instanceof Answered)) return [result]
  return result.published === null ? [result.answer] : [result.answer, result.published]
}

/** The messages, followed by the error if there is one. */
function heardFrom(chunks: readonly Buffer[]): readonly (Heard | string)[] {
  const stream = new MessageStream('fuzzed', maxBytes)
  const all: (Heard | string)[] = []
  try {
    for (const chunk of chunks) {
      for (const heard of stream.push(chunk)) all.push(heard)
      assert.ok(stream.heldBytes <= maxBytes + 8, `${stream.heldBytes} bytes are held`)
    }
  } catch (thrown) {
    assert.ok(thrown instanceof WaggleError, String(thrown))
    assert.equal(thrown.code, 'WAGGLE_BEE_PROTOCOL')
    all.push(thrown.code)
  }
  return all
}

function cut(output: Buffer, seed: number): readonly Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, state = seed + 1; at < output.length; ) {
    state = Math.imul(state, 1103515245) + 12345
    const length = 1 + ((state >>> 16) % 23)
    chunks.push(output.subarray(at, at + length))
    at += length
  }
  return chunks
}

/**
 * Writes a result as for the next bee and its topic. The protocol limits depth only afterwards, so an input may fail here because of its depth alone.
 */
function written(payload: Payload): void {
  if (payload.kind === 'tensors') encodeTensors(payload.tensors)
  if (payload.kind === 'bytes') new Headers({ 'content-type': payload.contentType })
  const call = { id: 'fuzzed', payload, deadline: null, signal: neverAborted }
  for (const form of ['json', 'binary'] as const) encodeRequest(1, call, extras, form)
}

function lines(...texts: readonly string[]): Buffer {
  return Buffer.from(`\0${texts.join('\n')}\n`)
}

function frames(): readonly Buffer[] {
  const payloads: readonly Payload[] = [
    { kind: 'json', json: { words: 3 } },
    { kind: 'bytes', contentType: 'image/png', bytes: Uint8Array.of(1, 2, 3) },
    {
      kind: 'tensors',
      tensors: {
        image: { datatype: 'UINT8', shape: [1, 2, 3], data: new Uint8Array(6) },
        scale: { datatype: 'FP64', shape: [1], data: Float64Array.of(0.5) },
      },
    },
  ]
  return payloads.map((payload, at) =>
    Buffer.concat(encodeRequest(at + 1, { id: 'seed', payload, deadline: null, signal: neverAborted }, extras, 'binary')),
  )
}
