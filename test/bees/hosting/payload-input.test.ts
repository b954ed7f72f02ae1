import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { types } from 'node:util'
import fc from 'fast-check'
import { ownInputOf, payloadOf } from '../../../bees/hosting/payload-input.ts'
import type { Payload, Tensor } from '../../../topology/swarm/payload/payload.ts'
import { payloadHeaders, payloadSerde } from '../../../topology/swarm/payload/payload-serde.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { hostileOutput } from '../../support/hostile-values.ts'

const badOutput = { code: 'WAGGLE_BEE_OUTPUT' }

describe('The output of a bee', () => {
  it('becomes a payload that reads back unchanged, or an error that names the bee', () => {
    fc.assert(
      fc.property(hostileOutput, (make) => {
        const output = make()
        if (types.isPromise(output)) output.catch(() => {})
        let payload: Payload
        try {
          payload = payloadOf(output, 'bee')
        } catch (thrown) {
          assert.ok(thrown instanceof WaggleError && thrown.code === 'WAGGLE_BEE_OUTPUT')
          return
        }
        const again = payloadSerde.deserialize('topic', Uint8Array.from(payloadSerde.serialize('topic', payload)), payloadHeaders(payload))
        assert.deepEqual(plain(again), plain(payload))
      }),
    )
  })

  it('is refused if a tensor does not match its shape, datatype or name', () => {
    const image: Tensor = { datatype: 'UINT8', shape: [2, 3], data: new Uint8Array(6) }
    assert.equal(payloadOf({ tensors: { image } }, 'bee').kind, 'tensors')
    const hole: number[] = [6]
    hole.length = 2
    const wrong = [
      ...[[7], [2, -3], [1.5, 4], [6, 1e308, 0], [Number.NaN], [6, Number.POSITIVE_INFINITY], hole, ['6'], new Array(300).fill(1)].map((shape) => ({
        image: { ...image, shape },
      })),
      ...['FP32', 'BYTES', 'constructor', null].map((datatype) => ({ image: { ...image, datatype } })),
      { image: { datatype: 'FP32', shape: [1e308, 0], data: new Float32Array(0) } },
      { 'a\ud800': image },
      { ['x'.repeat(70_000)]: image },
    ]
    for (const tensors of wrong) assert.throws(() => payloadOf({ tensors }, 'bee'), badOutput)
  })

  it('is refused if its bytes do not match their content type', () => {
    const bytes = Buffer.from('{"a":1}')
    assert.deepEqual(payloadOf({ contentType: 'application/json; charset=utf-8', bytes }, 'bee'), { kind: 'json', json: { a: 1 } })
    assert.equal(payloadOf({ contentType: 'image/png', bytes }, 'bee').kind, 'bytes')
    const types = [
      'application/vnd.waggle.tensors',
      'application/vnd.waggle.joined',
      'application/vnd.waggle.claim+json',
      'a\r\nset-cookie: b',
      '',
      '\ud800',
      'x'.repeat(300),
    ]
    for (const contentType of types) assert.throws(() => payloadOf({ contentType, bytes }, 'bee'), badOutput)
    assert.throws(() => payloadOf({ contentType: 'application/json', bytes: Buffer.from('{') }, 'bee'), badOutput)
  })

  it('is copied, so that later changes by the bee have no effect', () => {
    const bytes = Uint8Array.of(1)
    const data = Uint8Array.of(1)
    const buffer = Buffer.from([1])
    const given = [
      payloadOf(bytes, 'bee'),
      payloadOf(buffer, 'bee'),
      payloadOf({ contentType: 'a/b', bytes: buffer }, 'bee'),
      payloadOf({ tensors: { a: { datatype: 'UINT8', shape: [1], data } } }, 'bee'),
    ]
    const before = structuredClone(given)
    bytes[0] = 2
    data[0] = 2
    buffer[0] = 2
    assert.deepEqual(given.map(plain), before.map(plain))
  })
})

describe('The input of a bee', () => {
  it('is copied, so that the bee may change it', () => {
    const payload: Extract<Payload, { kind: 'joined' }> = {
      kind: 'joined',
      parts: new Map<string, Payload>([
        ['__proto__', { kind: 'json', json: { list: [1] } }],
        ['bytes', { kind: 'bytes', bytes: Uint8Array.of(1), contentType: 'a/b' }],
        ['buffer', { kind: 'bytes', bytes: Buffer.from([1]), contentType: 'a/b' }],
      ]),
    }
    const before = structuredClone(payload)
    const input = new Map(Object.entries(ownInputOf(payload) as object))
    assert.deepEqual([...input.keys()], ['__proto__', 'bytes', 'buffer'])
    input.get('__proto__').list.push(2)
    input.get('bytes').fill(9)
    input.get('buffer').fill(9)
    assert.deepEqual([...payload.parts.values()].map(plain), [...before.parts.values()].map(plain))
  })
})

/** Buffers and typed arrays of the same content differ by their class, so they are compared as plain lists. */
function plain(value: Payload): unknown {
  return value.kind === 'bytes' ? { ...value, bytes: Array.from(value.bytes) } : value
}
