import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ThreadedModels } from '../../../../connectors/models/threaded-models.ts'
import type { OpenModel, TensorFlowOptions } from '../../../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { assertAnswers, savedModelCases, savedModelsDirectory } from '../../../support/saved-models.ts'

function open(name: string, tensorflow: TensorFlowOptions): Promise<OpenModel> {
  const path = join(savedModelsDirectory, name)
  return new ThreadedModels({ requireGpu: false }).open({ path, runtime: 'tensorflow', gpu: 0, fit: {}, tensorflow, log: () => {} })
}

function refuses(opening: Promise<OpenModel>, code: string, said: RegExp): Promise<void> {
  return assert.rejects(opening, (error: unknown) => {
    assert.ok(error instanceof WaggleError, String(error))
    assert.equal(error.code, code)
    assert.match(error.message, said)
    assert.ok(error.next.length > 0)
    return true
  })
}

describe('A SavedModel', () => {
  for (const one of savedModelCases.filter(({ spec }) => spec.signature !== 'odd')) {
    const by = one.spec.signature === undefined ? '' : ` by its signature ${one.spec.signature}`
    it(`gives the same answers on onnxruntime as in TensorFlow: ${one.model}${by}`, async () => {
      const model = await open(one.model, one.spec)
      try {
        assert.match(model.device, /^onnxruntime/, String(model.choice))
        assert.match(String(model.choice), /^translated to ONNX, (within|and not compared, because tfjs cannot run it: .*(Einsum|SpaceToDepth))/)
        await assertAnswers(model, one)
      } finally {
        await model.close()
      }
    })
    // tfjs has no kernels for some operators of this model.
    if (one.model === 'operators') continue
    it(`gives the same answers on tfjs as in TensorFlow: ${one.model}${by}`, async () => {
      const model = await open(one.model, { ...one.spec, backend: 'tfjs' })
      try {
        assert.equal(model.device, 'tfjs wasm')
        assert.equal(model.choice, 'backend is tfjs')
        await assertAnswers(model, one)
      } finally {
        await model.close()
      }
    })
  }

  it('answers from the highest of its numbered versions, or from the version that the spec names', async () => {
    for (const [version, name] of [
      [undefined, 'dense/10'],
      [2, 'dense/2'],
    ] as const) {
      const model = await open('dense', version === undefined ? {} : { version })
      const expected = savedModelCases.find((one) => one.model === name)
      assert.ok(expected !== undefined)
      await assertAnswers(model, expected)
      await model.close()
    }
    await refuses(open('dense', { version: 3 }), 'WAGGLE_MODEL_NOT_FOUND', /no version 3: it has the versions 1, 2, 10/)
  })

  it('is refused with a list of its signatures if the signature of the spec does not exist', async () => {
    await refuses(open('words', { signature: 'nowhere' }), 'WAGGLE_MODEL_SHAPE', /no signature nowhere: it has serving_default, vectors/)
    await refuses(open('words', { signature: 'constructor' }), 'WAGGLE_MODEL_SHAPE', /no signature constructor/)
    await refuses(open('mobilenet.pb', { signature: 'vectors' }), 'WAGGLE_MODEL_SHAPE', /is a frozen graph, which has no signature/)
  })

  it('is refused with the input’s name if an input takes strings', async () => {
    await refuses(open('plain', {}), 'WAGGLE_MODEL_SHAPE', /takes strings \(its input text\)/)
  })

  it('is refused with the advice to unroll its loop if it has a loop', async () => {
    await refuses(open('loop', {}), 'WAGGLE_MODEL_SHAPE', /has a loop \((While|TensorList\w+)\)/)
  })

  it('is refused with the operator’s name if no library has the operator', async () => {
    await refuses(
      open('plain', { signature: 'digamma' }),
      'WAGGLE_MODEL_SHAPE',
      /cannot run on tfjs wasm \(no translation to ONNX: Digamma\).*Digamma/,
    )
    await refuses(open('plain', { signature: 'digamma', backend: 'onnx' }), 'WAGGLE_MODEL_SHAPE', /cannot run on onnxruntime: .*Digamma/)
  })

  it('runs on tfjs if its translation gives different answers, and is refused with backend: onnx', async () => {
    const model = await open('plain', { signature: 'odd' })
    assert.equal(model.device, 'tfjs wasm')
    assert.match(String(model.choice), /^its translation to ONNX gives another shape than tfjs wasm/)
    const expected = savedModelCases.find(({ spec }) => spec.signature === 'odd')
    assert.ok(expected !== undefined)
    await assertAnswers(model, expected)
    await model.close()
    await refuses(
      open('plain', { signature: 'odd', backend: 'onnx' }),
      'WAGGLE_MODEL_SHAPE',
      /cannot run on onnxruntime: its translation to ONNX gives another shape/,
    )
  })

  it('accepts a picture if its input has 8-bit numbers', async () => {
    for (const backend of ['onnx', 'tfjs'] as const) {
      const model = await open('plain', { signature: 'picture', backend })
      assert.equal(model.signature.takesPictures, true)
      const pixels = new Uint8Array(4 * 6 * 3).fill(51)
      const [result] = await model.run([{ kind: 'picture', height: 4, width: 6, pixels }], new AbortController().signal)
      for (const value of result?.outputs.means?.values ?? []) assert.ok(Math.abs(Number(value) - 0.2) < 1e-3, String(value))
      await model.close()
    }
  })

  it('returns NaN and infinity unchanged, with both libraries', async () => {
    for (const backend of ['onnx', 'tfjs'] as const) {
      const model = await open('plain', { signature: 'logarithm', backend })
      const [result] = await model.run(
        [{ kind: 'tensors', tensors: [{ shape: [4], data: Float32Array.of(-1, 1, 0, 1) }] }],
        new AbortController().signal,
      )
      assert.deepEqual(result?.outputs.logarithm?.values, [Number.NaN, 0, Number.NEGATIVE_INFINITY, 0])
      await model.close()
    }
  })
})
