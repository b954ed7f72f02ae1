import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { modelRowOf } from '../../../bees/model/model-input.ts'
import type { Tensor } from '../../../topology/swarm/payload/payload.ts'
import type { ModelDatatype, ModelSignature, TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { Refused } from '../../../topology/waggle-error.ts'

const input = (name: string, datatype: ModelDatatype, shape: readonly number[], dimensions = shape.map(() => '')): TensorSignature => ({
  name,
  datatype,
  shape,
  dimensions,
})

const model = (...rows: readonly TensorSignature[]): ModelSignature => ({
  inputs: rows,
  outputs: [],
  rows,
  outputRows: [],
  rowsPerRun: null,
  takesPictures: false,
  classes: null,
  labels: null,
})

/** The arrays that a body becomes. */
function arraysOf(body: unknown, signature: ModelSignature): readonly unknown[] {
  const row = modelRowOf(body, signature)
  return row.kind === 'picture' ? [row.pixels] : row.tensors.map(({ data }) => data)
}

function refuses(body: unknown, signature: ModelSignature, said: RegExp): void {
  assert.throws(
    () => modelRowOf(body, signature),
    (error: unknown) => {
      assert.ok(error instanceof Refused, `${error}`)
      assert.match(error.message, said)
      return true
    },
  )
}

describe('The input of a model from JSON', () => {
  const one = model(input('x', 'FP32', [2, 2]))
  const several = model(input('age', 'INT64', [1]), input('fare', 'FP32', [1]), input('sex', 'BYTES', [1]), input('alone', 'BOOL', [1]))

  it('is accepted as lists of the input’s shape, alone or under the input’s name, or as a single value if the shape has one element', () => {
    assert.deepEqual(
      arraysOf(
        [
          [1, 2],
          [3, 4],
        ],
        one,
      ),
      [Float32Array.of(1, 2, 3, 4)],
    )
    assert.deepEqual(
      arraysOf(
        {
          x: [
            [1, 2],
            [3, 4],
          ],
        },
        one,
      ),
      [Float32Array.of(1, 2, 3, 4)],
    )
    assert.deepEqual(arraysOf({ sex: 'f', alone: true, age: 7, fare: [1.5] }, several), [
      BigInt64Array.of(7n),
      Float32Array.of(1.5),
      ['f'],
      Uint8Array.of(1),
    ])
    assert.deepEqual(arraysOf(5, model(input('n', 'INT32', []))), [Int32Array.of(5)])
    assert.deepEqual(arraysOf([7, 8, 9], model(input('ids', 'INT64', [-1]))), [BigInt64Array.of(7n, 8n, 9n)])
  })

  it('becomes an array of the input’s type, up to the limits of the type', () => {
    const cases: readonly (readonly [ModelDatatype, unknown, unknown])[] = [
      ['INT8', [-128, 127], Int8Array.of(-128, 127)],
      ['UINT8', [0, 255], Uint8Array.of(0, 255)],
      ['INT16', [-32768, 32767], Int16Array.of(-32768, 32767)],
      ['UINT16', [0, 65535], Uint16Array.of(0, 65535)],
      ['INT32', [-2147483648, 2147483647], Int32Array.of(-2147483648, 2147483647)],
      ['UINT32', [0, 4294967295], Uint32Array.of(0, 4294967295)],
      ['INT64', [2 ** 53 - 1, '-9223372036854775808'], BigInt64Array.of(2n ** 53n - 1n, -(2n ** 63n))],
      ['UINT64', ['9007199254740992', '18446744073709551615'], BigUint64Array.of(2n ** 53n, 2n ** 64n - 1n)],
      ['FP16', [-65504, 0.5], Float32Array.of(-65504, 0.5)],
      ['FP32', [3.4028234663852886e38, -1], Float32Array.of(3.4028234663852886e38, -1)],
      ['FP64', [1e308, 0.1], Float64Array.of(1e308, 0.1)],
      ['BYTES', ['', 'é'], ['', 'é']],
    ]
    for (const [datatype, values, expected] of cases) assert.deepEqual(arraysOf(values, model(input('x', datatype, [2]))), [expected], datatype)
  })

  it('is refused if its shape is different, and the error has the input, its type and shape, and the received value', () => {
    refuses([1, 2], one, /^The input x takes numbers \(FP32\) of shape \[2, 2\]; a list of shape \[2\] came$/)
    refuses(
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      one,
      /of shape \[2, 2\]; a list of shape \[1, 2, 2\] came/,
    )
    refuses([[1, 2], [3]], one, /x takes .*; a ragged list came: \[1\] has 1 values, and its neighbours have 2/)
    refuses([[1, 2], 3], one, /x takes .*; the number 3 came at \[1\], where a list of 2 is needed/)
    refuses(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      one,
      /a list of shape \[3, 2\] came/,
    )
    refuses(
      [
        [1, 2],
        [3, [4]],
      ],
      one,
      /a list of 1 at \[1\]\[1\] came/,
    )
    refuses(
      [
        [1, 2],
        ['3', 4],
      ],
      one,
      /the string "3" at \[1\]\[0\] came/,
    )
    refuses([], one, /an empty list came/)
    for (const [body, said] of [
      [null, 'null'],
      ['hello', 'the string "hello"'],
      [3, 'the number 3'],
      [true, 'the boolean true'],
    ] as const)
      refuses(body, one, new RegExp(`shape \\[2, 2\\]; ${said} came`))
    refuses(new Uint8Array(3), one, /x \(FP32 \[2, 2\]\); bytes came: send JSON \(content-type: application\/json\) or tensors/)
    refuses([], model(input('ids', 'INT64', [-1])), /ids takes integers \(INT64\) of shape \[-1\]; an empty list came/)
  })

  it('is refused with the value’s place if a value is not of the input’s type', () => {
    const wrong: readonly (readonly [ModelDatatype, readonly unknown[]])[] = [
      ['INT8', [128, -129, 1.5, '1', true, null, {}]],
      ['UINT8', [-1, 256, 0.5]],
      ['INT32', [2147483648, -2147483649, 1e300, '5']],
      ['UINT32', [-1, 4294967296]],
      ['INT64', [1.5, 2 ** 53, '5', '9223372036854775808', '9007199254740992.0', '0x20000000000000', '007199254740992000', true]],
      ['UINT64', [-1, '18446744073709551616', '-9007199254740993']],
      ['FP16', [65520, '1']],
      ['FP32', [3.5e38, '1', null, true]],
      ['FP64', ['1', null]],
      ['BOOL', [0, 1, 'true', null]],
      ['BYTES', [1, null, true, 'a\0b', '\ud800']],
    ]
    for (const [datatype, values] of wrong)
      for (const value of values)
        refuses([value], model(input('x', datatype, [1])), new RegExp(`The input x takes .*\\(${datatype}\\) of shape \\[1\\]; .* at \\[0\\] came`))
  })

  it('is refused if a value is missing, and the error names NaN in tensors as the way to leave a value out', () => {
    refuses(
      [
        [1, null],
        [3, 4],
      ],
      one,
      /null at \[0\]\[1\] came: fill in the missing value, or send it as NaN in tensors/,
    )
    refuses({ age: null, fare: 2, sex: 'f', alone: true }, several, /The input age .*; null came: fill in the missing value$/)
    refuses({ age: 1, fare: null, sex: 'f', alone: true }, several, /The input fare .*; null came: fill in the missing value, or send it as NaN/)
    const nan: Tensor = { datatype: 'FP32', shape: [1], data: Float32Array.of(Number.NaN) }
    assert.ok(modelRowOf({ tensors: { x: nan } }, model(input('x', 'FP32', [1]))))
  })

  it('is refused if an input’s name is missing or unknown, or if it is a list for several inputs', () => {
    refuses({ age: 1, fare: 2, sex: 'f' }, several, /The input alone \(BOOL \[1\]\) is missing: age, fare, sex came/)
    refuses({}, several, /The input age \(INT64 \[1\]\) is missing: none came/)
    refuses({ agee: 1, fare: 2, sex: 'f', alone: true }, several, /no input "agee" \(did you mean age\?\): it takes age \(INT64 \[1\]\), fare/)
    refuses(
      {
        x: [
          [1, 2],
          [3, 4],
        ],
        y: 1,
      },
      one,
      /no input "y"/,
    )
    refuses([1, 2, 'f', true], several, /age \(INT64 \[1\]\), fare .*: send an object with a value for each name/)
    refuses(JSON.parse('{"__proto__": 1, "constructor": 2}'), several, /no input "__proto__"/)
    refuses(null, several, /send an object/)
  })

  it('is refused if inputs that share a free dimension have different lengths', () => {
    const tokens = model(input('input_ids', 'INT64', [-1], ['tokens']), input('attention_mask', 'INT64', [-1], ['tokens']))
    refuses({ input_ids: [1, 2, 3], attention_mask: [1, 1] }, tokens, /input_ids .* and attention_mask .* share the dimension tokens; 3 and 2 came/)
    assert.equal(arraysOf({ input_ids: [1, 2], attention_mask: [1, 1] }, tokens).length, 2)
  })
})

describe('The input of a model from tensors', () => {
  const pair = model(input('ids', 'INT64', [-1]), input('weight', 'FP32', [1]))
  const ids: Tensor = { datatype: 'INT64', shape: [2], data: BigInt64Array.of(1n, 2n) }
  const weight: Tensor = { datatype: 'FP32', shape: [1, 1], data: Float32Array.of(0.5) }

  it('is accepted by name, with or without a batch of one row, and under any name if the model has one input', () => {
    assert.deepEqual(arraysOf({ tensors: { weight, ids } }, pair), [ids.data, weight.data])
    assert.deepEqual(arraysOf({ tensors: { image: weight } }, model(input('x', 'FP32', [1]))), [weight.data])
  })

  it('is refused if its name, type or shape is different', () => {
    refuses({ tensors: { ids } }, pair, /weight \(FP32 \[1\]\) is missing: ids came/)
    refuses({ tensors: { ids, weight, more: ids } }, pair, /no input "more"/)
    refuses({ tensors: { ids: weight, weight } }, pair, /takes ids \(INT64 \[-1\]\); a tensor of FP32 \[1, 1\] came/)
    refuses({ tensors: { ids: { ...ids, shape: [1, 1, 2] }, weight } }, pair, /INT64 \[1, 1, 2\] came/)
    refuses({ tensors: { ids: { ...ids, shape: [3] }, weight } }, pair, /INT64 \[3\] came/)
    refuses({ tensors: {} }, pair, /ids .* is missing/)
  })
})
