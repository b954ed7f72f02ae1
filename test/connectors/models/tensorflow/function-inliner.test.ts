import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { inlinedGraph } from '../../../../connectors/models/tensorflow/function-inliner.ts'
import type { RawAttr, RawFunction, RawNode } from '../../../../connectors/models/tensorflow/graph-schema.ts'

function node(name: string, op: string, input: readonly string[] = [], attr: { readonly [key: string]: RawAttr } = {}): RawNode {
  return { name, op, input, attr }
}

function call(name: string, called: string, input: readonly string[] = []): RawNode {
  return node(name, 'PartitionedCall', input, { f: { value: 'func', func: { name: called } } })
}

function fn(name: string, args: readonly string[], nodeDef: readonly RawNode[], ret: { readonly [output: string]: string }): RawFunction {
  const named = (names: readonly string[]) => names.map((one) => ({ name: one }))
  return { signature: { name, inputArg: named(args), outputArg: named(Object.keys(ret)) }, nodeDef, ret }
}

describe('The inlining of TensorFlow functions', () => {
  it('replaces a call by the nodes of its function, even if functions call functions', () => {
    const { nodes, resolve } = inlinedGraph('model', {
      node: [node('x', 'Placeholder'), call('outer', 'twice', ['x', '^x']), node('end', 'Neg', ['outer:1'])],
      library: {
        function: [
          fn('twice', ['a'], [call('one', 'half', ['a']), call('two', 'half', ['one:output:0'])], { first: 'one:output:0', second: 'two:output:0' }),
          fn('half', ['b'], [node('parts', 'TopKV2', ['b']), node('sum', 'Add', ['parts:values:0', 'parts:indices:0'])], { out: 'sum:z:0' }),
        ],
      },
    })
    assert.equal(resolve('outer'), 'outer~/one~/sum')
    assert.deepEqual(nodes.get('end')?.input, ['outer~/two~/sum'])
    assert.deepEqual(nodes.get('outer~/two~/parts')?.input, ['outer~/one~/sum'])
    assert.deepEqual(nodes.get('outer~/one~/parts')?.input, ['x'])
    assert.deepEqual(nodes.get('outer~/one~/sum')?.input, ['outer~/one~/parts', 'outer~/one~/parts:1'])
  })

  it('copies the caller’s value into an attribute that a function leaves to its caller', () => {
    const typed = fn('typed', [], [node('made', 'Fill', [], { T: { value: 'placeholder', placeholder: 'T' } })], { out: 'made:output:0' })
    const { nodes } = inlinedGraph('model', { node: [node('a', 'typed', [], { T: { value: 'type', type: 3 } })], library: { function: [typed] } })
    assert.equal(nodes.get('a~/made')?.attr.get('T')?.type, 3)
  })

  it('refuses a function that calls itself', () => {
    const library = { function: [fn('again', ['a'], [call('inner', 'again', ['a'])], { out: 'inner:output:0' })] }
    assert.throws(() => inlinedGraph('model', { node: [call('c', 'again', ['c'])], library }), /call each other more than 32 deep/)
  })

  it('refuses functions that call each other twice at each level, when its limit of nodes is reached', () => {
    const levels = Array.from({ length: 30 }, (_, at) => fn(`f${at}`, [], [call('a', `f${at + 1}`), call('b', `f${at + 1}`)], {}))
    assert.throws(
      () => inlinedGraph('model', { node: [call('c', 'f0')], library: { function: [...levels, fn('f30', [], [], {})] } }),
      /more than 200000 nodes/,
    )
  })

  it('refuses a call that takes its own output as input', () => {
    const library = { function: [fn('same', ['a'], [], { out: 'a' })] }
    const { nodes, resolve } = { nodes: null, resolve: () => inlinedGraph('model', { node: [call('c', 'same', ['c'])], library }).resolve('c') }
    assert.equal(nodes, null)
    assert.throws(resolve, /in a circle/)
  })

  it('refuses a call of a missing function, with another number of inputs, or with a missing output', () => {
    const refuses = (nodes: readonly RawNode[], functions: readonly RawFunction[], said: RegExp) =>
      assert.throws(() => inlinedGraph('model', { node: nodes, library: { function: functions } }), said)
    refuses([call('c', 'nowhere')], [], /calls the function nowhere, which it does not have/)
    refuses([call('c', 'one')], [fn('one', ['a'], [], { out: 'a' })], /gives 0 inputs to a function of 1/)
    refuses([call('c', 'one')], [fn('one', [], [], { out: 'b:y:0' })], /reads b:y:0, which it does not have/)
    refuses([node('a', 'Neg'), node('a', 'Neg')], [], /two nodes of the name a/)
    refuses([node('', 'Neg')], [], /it holds no graph/)
  })
})
