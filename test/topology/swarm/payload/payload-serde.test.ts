import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import type { Payload, Tensor } from '../../../../topology/swarm/payload/payload.ts'
import { payloadHeaders, payloadSerde } from '../../../../topology/swarm/payload/payload-serde.ts'
import { decodeTensors, encodeTensors } from '../../../../topology/swarm/payload/tensor-codec.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'

const bytes = fc.uint8Array({ maxLength: 100 })
const tensor: fc.Arbitrary<Tensor> = fc.oneof(
  bytes.map((data): Tensor => ({ datatype: 'UINT8', shape: [data.length], data })),
  fc.float32Array({ maxLength: 20, noNaN: true }).map((data): Tensor => ({ datatype: 'FP32', shape: [1, data.length], data })),
  fc.float64Array({ maxLength: 20, noNaN: true }).map((data): Tensor => ({ datatype: 'FP64', shape: [data.length, 1], data })),
  fc.bigInt64Array({ maxLength: 20 }).map((data): Tensor => ({ datatype: 'INT64', shape: [data.length], data })),
)
const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter((text) => text !== '__proto__')
const simple: fc.Arbitrary<Payload> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }).map((value): Payload => ({ kind: 'json', json: JSON.parse(JSON.stringify(value)) as unknown })),
  bytes.map((data): Payload => ({ kind: 'bytes', bytes: data, contentType: 'image/png' })),
  fc.dictionary(name, tensor, { maxKeys: 4, noNullPrototype: true }).map((tensors): Payload => ({ kind: 'tensors', tensors })),
  fc
    .string()
    .map((detail): Payload => ({ kind: 'error', error: { code: 'WAGGLE_BEE_FAILED', status: 502, title: 'A bee failed', detail, bee: 'b' } })),
)
const payload: fc.Arbitrary<Payload> = fc.oneof(
  simple,
  fc
    .uniqueArray(fc.tuple(name, simple), { maxLength: 4, selector: ([key]) => key })
    .map((parts): Payload => ({ kind: 'joined', parts: new Map(parts) })),
)

describe('A payload', () => {
  it('is read from its bytes and headers unchanged', () => {
    fc.assert(
      fc.property(payload, (sent) => {
        const data = Uint8Array.from(payloadSerde.serialize('topic', sent))
        assert.deepEqual(plain(payloadSerde.deserialize('topic', data, payloadHeaders(sent))), plain(sent))
      }),
    )
  })

  it('becomes an error of its request if its bytes do not match its header', () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom('application/json', 'application/vnd.waggle.tensors', 'application/vnd.waggle.joined'), (data, type) => {
        const read = payloadSerde.deserialize('topic', data, [{ key: 'content-type', value: Buffer.from(type) }])
        if (read.kind === 'error') assert.deepEqual([read.error.code, read.error.status], ['WAGGLE_BAD_PAYLOAD', 400])
      }),
    )
  })
})

describe('Tensors', () => {
  it('are read from multiples of 8 bytes, wherever in memory the message lies', () => {
    const sent = {
      a: { datatype: 'UINT8', shape: [3], data: Uint8Array.of(1, 2, 3) },
      b: { datatype: 'FP64', shape: [1], data: Float64Array.of(0.1) },
    } as const
    const data = encodeTensors(sent)
    for (let shift = 0; shift < 9; shift++) {
      const moved = new Uint8Array(data.length + shift)
      moved.set(data, shift)
      assert.deepEqual(decodeTensors(moved.subarray(shift)), sent)
    }
  })

  it('are refused if they share bytes, because they would take more bytes when each is written', () => {
    const data = encodeTensors({
      a: { datatype: 'UINT8', shape: [64], data: new Uint8Array(64) },
      b: { datatype: 'UINT8', shape: [64], data: new Uint8Array(64) },
    })
    assert.equal(Object.keys(decodeTensors(data)).length, 2)
    // Both tensors claim the same bytes, at the end of the body.
    const shared = data.slice(0, data.length - 64)
    const first = shared.indexOf(0x61)
    const view = new DataView(shared.buffer, shared.byteOffset)
    const position = view.getUint32(first - 8, true)
    view.setUint32(shared.indexOf(0x62, first) - 8, position, true)
    assert.throws(() => decodeTensors(shared), { code: 'WAGGLE_MALFORMED_TENSORS', message: /share bytes/ })
  })

  it('are refused if they are truncated or malformed in any way', () => {
    const data = encodeTensors({ image: { datatype: 'UINT8', shape: [2, 2, 3], data: new Uint8Array(12) } })
    fc.assert(
      fc.property(fc.nat(data.length - 1), fc.nat(255), (at, value) => {
        for (const wrong of [data.subarray(0, at), Uint8Array.from(data).fill(value, at, at + 1)]) {
          try {
            decodeTensors(wrong)
          } catch (error) {
            assert.ok(error instanceof WaggleError && error.code === 'WAGGLE_MALFORMED_TENSORS', String(error))
          }
        }
      }),
    )
  })
})

/** Buffers and typed arrays of the same content differ by their class, so they are compared as plain lists. */
function plain(value: Payload): unknown {
  if (value.kind === 'bytes') return { ...value, bytes: Array.from(value.bytes) }
  if (value.kind === 'joined') return { ...value, parts: [...value.parts].map(([key, part]) => [key, plain(part)]) }
  return value
}
