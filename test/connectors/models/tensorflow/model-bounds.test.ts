import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { constantOf } from '../../../../connectors/models/tensorflow/constant.ts'
import { inlinedGraph } from '../../../../connectors/models/tensorflow/function-inliner.ts'
import type { RawNode } from '../../../../connectors/models/tensorflow/graph-schema.ts'
import { randomInputs } from '../../../../connectors/models/tensorflow/random-inputs.ts'
import { readTensorFlowGraph } from '../../../../connectors/models/tensorflow/tensorflow-graph.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'

const type = protobuf
  .parse(`
  syntax = "proto3";
  message Dim { int64 size = 1; }
  message Shape { repeated Dim dim = 2; }
  message Tensor { int32 dtype = 1; Shape tensor_shape = 2; repeated float float_val = 5; }
  message Attr { int64 i = 3; int32 type = 6; Shape shape = 7; Tensor tensor = 8; }
  message Node { string name = 1; string op = 2; repeated string input = 3; map<string, Attr> attr = 5; }
  message Graph { repeated Node node = 1; }
`)
  .root.lookupType('Graph')

describe('A small TensorFlow file that asks for much memory or time', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bounds-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  const shapeOf = (sizes: readonly number[]) => ({ dim: sizes.map((size) => ({ size })) })
  const input = (...sizes: readonly number[]) => ({ name: 'x', op: 'Placeholder', attr: { dtype: { type: 1 }, shape: { shape: shapeOf(sizes) } } })

  function frozen(...node: readonly object[]): string {
    const path = join(directory, 'hostile.pb')
    writeFileSync(path, type.encode(type.fromObject({ node })).finish())
    return path
  }

  function refuses(path: string, code: string, said: RegExp): void {
    assert.throws(
      () => readTensorFlowGraph(path, {}),
      (error: unknown) => error instanceof WaggleError && error.code === code && said.test(error.message),
    )
  }

  it('is refused if its constants expand to more than 64 MiB together', () => {
    const constant = (name: string, values: number) => ({
      name,
      op: 'Const',
      attr: { value: { tensor: { dtype: 1, tensorShape: shapeOf([values]), floatVal: [1] } } },
    })
    const half = 2 ** 23 + 1
    const both = frozen(input(-1, half), constant('a', half), constant('b', half), { name: 'y', op: 'AddN', input: ['x', 'a', 'b'] })
    refuses(both, 'WAGGLE_MODEL_INVALID', /the constant [ab]: it repeats a value to 33554436 bytes/)
    readTensorFlowGraph(frozen(input(-1, half), constant('a', half), { name: 'y', op: 'AddN', input: ['x', 'a'] }), {})
  })

  it('is refused if its inputs have more than 16,777,216 values a row, or more than 254 dimensions', () => {
    const relu = { name: 'y', op: 'Relu', input: ['x'] }
    refuses(frozen(input(-1, 30_000_000), relu), 'WAGGLE_MODEL_SHAPE', /takes 30000000 values a row, and at most 16777216/)
    refuses(frozen(input(1e9, 1e9, 0), relu), 'WAGGLE_MODEL_SHAPE', /values a row/)
    refuses(frozen(input(...Array<number>(255).fill(1)), relu), 'WAGGLE_MODEL_SHAPE', /the input x with more than 254 dimensions/)
  })

  it('is not compared with random inputs if its free dimensions would make the inputs too large', () => {
    const relu = { name: 'y', op: 'Relu', input: ['x'] }
    assert.equal(randomInputs(readTensorFlowGraph(frozen(input(...Array<number>(20).fill(-1)), relu), {})), null)
    assert.equal(randomInputs(readTensorFlowGraph(frozen(input(-1, 4), relu), {}))?.x?.data.length, 8)
  })

  for (const [op, attribute] of [
    ['Unpack', 'num'],
    ['Split', 'num_split'],
    ['SplitV', 'num_split'],
  ] as const)
    it(`is refused if ${op} has more than 1,024 outputs, or a negative number of them`, () => {
      const split = (i: number) =>
        frozen(input(-1, 4), { name: 'u', op, input: ['x'], attr: { [attribute]: { i } } }, { name: 'y', op: 'Relu', input: ['u'] })
      refuses(split(20_000_000), 'WAGGLE_MODEL_SHAPE', /splits a tensor into 20000000 parts/)
      refuses(split(-1), 'WAGGLE_MODEL_SHAPE', /splits a tensor into -1 parts/)
      readTensorFlowGraph(split(1024), {})
    })

  const node = (name: string, op: string, inputs: readonly string[] = [], attr: RawNode['attr'] = {}): RawNode => ({ name, op, input: inputs, attr })
  const tooLarge = /nodes are too many or too large with its functions in place of their calls/

  for (const [many, large] of [
    ['inputs', node('n', 'AddN', Array<string>(20_000).fill('a'))],
    [
      'attributes',
      node('n', 'Relu', ['a'], Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`k${at}`, { value: 'b', b: true }] as const))),
    ],
  ] as const)
    it(`is refused if a function with many ${many} is called often`, () => {
      const signature = { name: 'f', inputArg: [{ name: 'a' }], outputArg: [{ name: 'o' }] }
      const calls = Array.from({ length: 300 }, (_, at) => node(`c${at}`, 'f', ['x']))
      const library = { function: [{ signature, nodeDef: [large], ret: { o: 'n:sum:0' } }] }
      assert.throws(() => inlinedGraph('model', { node: calls, library }), tooLarge)
    })

  it('is refused if a function with many outputs is called often', () => {
    const outputArg = Array.from({ length: 20_000 }, (_, at) => ({ name: `o${at}` }))
    const ret = Object.fromEntries(outputArg.map(({ name }) => [name, 'a']))
    const library = { function: [{ signature: { name: 'f', inputArg: [{ name: 'a' }], outputArg }, nodeDef: [], ret }] }
    const calls = Array.from({ length: 300 }, (_, at) => node(`c${at}`, 'f', ['x']))
    assert.throws(() => inlinedGraph('model', { node: calls, library }), tooLarge)
  })

  it('is refused if the name of a call is too long, or is a part of the names of very many nodes', () => {
    const signature = { name: 'f', inputArg: [{ name: 'a' }], outputArg: [] }
    const library = { function: [{ signature, nodeDef: Array.from({ length: 12_000 }, (_, at) => node(`n${at}`, 'Relu', ['a'])), ret: {} }] }
    const called = (length: number) => () => inlinedGraph('model', { node: [node('k'.repeat(length), 'f', ['x'])], library })
    assert.throws(called(200_000), /it has a name of more than 8192 characters/)
    assert.throws(called(8000), tooLarge)
  })
})

it('A constant with fewer values than its shape repeats its last value', () => {
  const tensor = {
    dtype: 0,
    tensorShape: { dim: [{ size: 4 }] },
    tensorContent: new Uint8Array(),
    floatVal: [],
    intVal: [],
    stringVal: [],
    int64Val: [],
    boolVal: [],
  }
  const bounds = { maxBytes: 100, maxFilledBytes: 100 }
  const bytes = (values: ArrayBufferView) => Buffer.from(values.buffer).toString('hex')
  for (const [given, expected] of [
    [{ dtype: 1, floatVal: [1, 2] }, Float32Array.of(1, 2, 2, 2)],
    [{ dtype: 1 }, Float32Array.of(0, 0, 0, 0)],
    [{ dtype: 3, intVal: [5] }, Int32Array.of(5, 5, 5, 5)],
    [{ dtype: 3, intVal: [5, 6, 7, 8, 9] }, Int32Array.of(5, 6, 7, 8)],
    [{ dtype: 9, int64Val: [-1, '7'] }, BigInt64Array.of(-1n, 7n, 7n, 7n)],
    [{ dtype: 10, boolVal: [false, true] }, Uint8Array.of(0, 1, 1, 1)],
  ] as const)
    assert.equal(bytes(constantOf({ ...tensor, ...given }, bounds).bytes), bytes(expected))
})
