import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { describe, it } from 'node:test'
import type { BeeContext } from '../../../bees/define-bee.ts'
import type { ModelSpec } from '../../../bees/model/model-spec.ts'
import { modelBee } from '../../../bees/model-versions/model-bee.ts'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import type { Tensor } from '../../../topology/swarm/payload/payload.ts'
import type { ModelRow, ModelSignature, OpenModel, TensorSignature } from '../../../topology/swarm/ports/models.ts'
import { Refused } from '../../../topology/waggle-error.ts'
import { fixedReplicas } from '../../support/fixed-replicas.ts'
import { rowSignature } from '../../support/row-model.ts'

const models = resolve(import.meta.dirname, '..', '..', '..', 'swarms', 'teddy-bear-detector', 'models')

describe('A model bee', () => {
  const picture = (shape: readonly number[], bytes: number): { tensors: { image: Tensor } } => ({
    tensors: { image: { datatype: 'UINT8', shape, data: new Uint8Array(bytes) } },
  })

  it('refuses a row that does not fit its model, and predicts the other rows of the batch', async () => {
    const context: Pick<BeeContext<ModelSpec>, 'spec' | 'gpu' | 'bee' | 'batchSize' | 'replicate' | 'resolve' | 'now' | 'log'> = {
      spec: { model: 'teddy-bear-detector.onnx' },
      gpu: 0,
      bee: 'inference',
      batchSize: 4,
      replicate: fixedReplicas(1),
      resolve: async (name) => join(models, name),
      now: () => 0,
      log: () => {},
    }
    const bee = await modelBee(
      { ...context, ports: { models: new ThreadedModels({ requireGpu: false }) } } as unknown as BeeContext<ModelSpec>,
      'onnx',
    )
    const hostile = [
      picture([0, 5, 3], 0),
      picture([10_000_000, 1, 3], 30_000_000),
      picture([1, 8193, 3], 8193 * 3),
      picture([100, 100, 3], 3),
      { tensors: {} },
      { tensors: { image: { datatype: 'FP64', shape: [2], data: new Float64Array(2) } satisfies Tensor } },
      { tensors: { image: { datatype: 'FP32', shape: [0, 1e9], data: new Float32Array(0) } satisfies Tensor } },
      [1, [2, [3]]],
      null,
      'a picture',
    ]
    const good = picture([256, 300, 3], 256 * 300 * 3)
    assert.ok('processBatch' in bee)
    const outcomes = await bee.processBatch([good, ...hostile, good], [])
    for (const outcome of outcomes.slice(1, -1)) assert.ok(outcome instanceof Refused, String(outcome))
    assert.ok(outcomes[0] !== undefined && !(outcomes[0] instanceof Error))
    assert.deepEqual(outcomes.at(-1), outcomes[0])
    await bee.close?.()
  })

  it('shows the address of its model without the query, which may be a signature', async () => {
    const lines: string[] = []
    const row: TensorSignature = { name: 'x', datatype: 'FP32', shape: [2], dimensions: [''] }
    const signature = {
      inputs: [row],
      outputs: [row],
      rows: [row],
      outputRows: [row],
      rowsPerRun: null,
      takesPictures: false,
      classes: null,
      labels: null,
    }
    const open = async () => ({ signature, device: 'cpu', choice: null, run: async () => [], close: async () => {} })
    const opened = (spec: object, versions: object | null = null) =>
      modelBee(
        {
          spec: { model: 'https://models.example/x.onnx?signature=secret', ...spec },
          bee: 'inference',
          batchSize: 1,
          replicate: fixedReplicas(1),
          resolve: async () => '/x.onnx',
          now: () => 0,
          log: (_: string, message: string) => lines.push(message),
          ports: { models: { open, versionsAt: async () => versions, watch: () => () => {} } },
        } as unknown as BeeContext<ModelSpec>,
        'onnx',
      )
    const bee = await opened({})
    assert.equal(bee.model?.state.model, 'https://models.example/x.onnx')
    const failures = await Promise.allSettled([opened({ output: 'y' }), opened({ labels: ['a'] }), opened({ version: 3 })])
    for (const failure of failures) if (failure.status === 'rejected') lines.push(failure.reason.message)
    assert.equal(failures.filter(({ status }) => status === 'rejected').length, 3)
    for (const line of lines) assert.doesNotMatch(line, /secret/)
  })

  for (const [outcome, run] of [
    ['accepts', async (rows: readonly ModelRow[]) => rows.map(() => ({ outputs: {} }))],
    ['refuses', () => Promise.reject(new Error('a zero'))],
  ] as const)
    it(`computes one full batch of zeros when it opens, and opens also if its model ${outcome} zeros`, async () => {
      const runs: (readonly ModelRow[])[] = []
      const lines: string[] = []
      const row: TensorSignature = { name: 'x', datatype: 'INT64', shape: [-1, 2], dimensions: ['', ''] }
      const scores: TensorSignature = { name: 'scores', datatype: 'FP32', shape: [2], dimensions: [''] }
      const signature: ModelSignature = {
        inputs: [{ ...row, shape: [-1, -1, 2] }],
        outputs: [{ ...scores, shape: [-1, 2] }],
        rows: [row],
        outputRows: [scores],
        rowsPerRun: null,
        takesPictures: false,
        classes: null,
        labels: null,
      }
      const model: OpenModel = {
        signature,
        device: 'cpu',
        choice: null,
        run(rows) {
          runs.push(rows)
          return run(rows)
        },
        close: async () => {},
      }
      const context: Partial<BeeContext<ModelSpec>> = {
        spec: { model: 'x.onnx' },
        gpu: 0,
        bee: 'inference',
        batchSize: 3,
        replicate: fixedReplicas(1),
        resolve: async (name) => name,
        now: () => 0,
        log: (level, message) => lines.push(`${level} ${message}`),
      }
      const bee = await modelBee(
        { ...context, ports: { models: { open: async () => model, versionsAt: async () => null } } } as unknown as BeeContext<ModelSpec>,
        'onnx',
      )
      const zeros: ModelRow = { kind: 'tensors', tensors: [{ shape: [1, 2], data: BigInt64Array.of(0n, 0n) }] }
      assert.deepEqual(runs, [[zeros, zeros, zeros]])
      assert.equal(
        lines.some((line) => /^debug .* fails \(a zero\) for a batch of zeros$/.test(line)),
        outcome === 'refuses',
      )
      await bee.close?.()
    })

  it('computes as many batches at a time as it has replicas, each with its own copy of the model', async () => {
    const runs: number[] = []
    const both = Promise.withResolvers<void>()
    let copies = 0
    const closed: number[] = []
    const open = async (): Promise<OpenModel> => {
      const copy = ++copies
      return {
        signature: rowSignature,
        device: 'cpu',
        choice: null,
        async run(rows) {
          if (rows.length === 1) {
            runs.push(copy)
            if (runs.length === 2) both.resolve()
            await both.promise
          }
          return rows.map(() => ({ outputs: { scores: { shape: [2], values: [0, 1] } } }))
        },
        close: async () => void closed.push(copy),
      }
    }
    const context = {
      spec: { model: 'x.onnx' },
      gpu: 0,
      bee: 'inference',
      batchSize: 2,
      replicate: fixedReplicas(2),
      resolve: async (name: string) => name,
      now: () => 0,
      log: () => {},
      ports: { models: { open, versionsAt: async () => null } },
    } as unknown as BeeContext<ModelSpec>
    const bee = await modelBee(context, 'onnx')
    assert.ok('processBatch' in bee)
    const batch = [{ tensors: { x: { datatype: 'FP32', shape: [1], data: Float32Array.of(1) } } }]
    await Promise.all([bee.processBatch(batch, []), bee.processBatch(batch, [])])
    await bee.close?.()
    assert.deepEqual(
      [runs.toSorted(), closed.toSorted()],
      [
        [1, 2],
        [1, 2],
      ],
    )
  })
})
