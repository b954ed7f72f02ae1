import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Type } from 'typebox'
import { defineBee } from '../../../bees/define-bee.ts'
import { checkBees } from '../../../bees/hosting/check-bees.ts'
import { BeeRegistry } from '../../../bees/registry.ts'
import { GuardedHttpCalls } from '../../../connectors/http-calls/guarded-http-calls.ts'
import { TensorFlowServing } from '../../../connectors/models/tensorflow-serving/tensorflow-serving.ts'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { PostgresServers } from '../../../connectors/postgres/postgres-database.ts'
import { PostgresHosts } from '../../../connectors/postgres/postgres-hosts.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import type { PayloadType } from '../../../topology/swarm/bee-type.ts'
import { checkSwarm } from '../../../topology/swarm/check/check-swarm.ts'
import { SwarmDocument } from '../../../topology/swarm/swarm-document.ts'
import { exportsDirectory } from '../../support/exported-models.ts'

/** Checks a swarm in which a bee with this output feeds a model through a batch. */
async function check(output: PayloadType, model: string): Promise<void> {
  const maker = defineBee({
    type: 'maker',
    summary: 'Makes.',
    delivery: 'None.',
    spec: Type.Object({}),
    output,
    create: () => ({ process: () => null }),
  })
  const registry = new BeeRegistry([...builtIn, maker])
  const yaml = `name: chain
bees:
  - { name: input, type: gateway-input, spec: { name: door } }
  - { name: make, type: maker, input: { name: input } }
  - { name: gather, type: batch, input: { name: make }, spec: { batch_size: 2, timeout_seconds: 1 } }
  - { name: model, type: tensor-rt, input: { name: gather }, spec: { model: ${model} } }
`
  const swarm = checkSwarm(SwarmDocument.parse(yaml, 'swarm.yaml'), registry)
  await checkBees(swarm, {
    registry,
    ports: {
      models: new ThreadedModels({ requireGpu: false }),
      modelServers: new TensorFlowServing({ clock: systemClock }),
      postgres: new PostgresServers({ clock: systemClock, hosts: new PostgresHosts(null) }),
      http: new GuardedHttpCalls({ clock: systemClock, hosts: null }),
      programs: { checkModule: async () => ({}), checkPython: async () => ({}), checkCommand: async () => {}, hasImage: async () => null },
    },
    resolve: async (uri) => join(exportsDirectory, uri),
    resolveCommand: () => null,
  })
}

const { types: builtIn } = new BeeRegistry()

describe('A bee that feeds a model', () => {
  const tensors = (given: { readonly [name: string]: readonly [string, readonly number[]] }): PayloadType => ({
    tensors: Object.fromEntries(Object.entries(given).map(([name, [dtype, shape]]) => [name, { dtype, shape }])),
  })

  it('is accepted if its output has the names, types and shapes of the model’s inputs', async () => {
    await check(tensors({ ids: ['INT64', [-1, 12]], weight: ['FP32', [1]] }), 'torch-sentence.onnx')
    await check(tensors({ anything: ['FP32', [1, 4]] }), 'torch-classifier.onnx')
    await check(Type.Object({ ids: Type.Array(Type.Integer()), weight: Type.Number() }), 'torch-sentence.onnx')
  })

  it('is reported as a mistake with its place in the file if its output has other names, types or shapes', async () => {
    const cases: readonly (readonly [PayloadType, string, RegExp])[] = [
      [tensors({ x: ['FP32', [5]] }), 'torch-classifier.onnx', /6:52: make gives x as FP32 \[5\], where x \(FP32 \[4\]\) is taken by model/],
      [
        tensors({ ids: ['INT32', [-1]], weight: ['FP32', [1]] }),
        'torch-sentence.onnx',
        /6:52: make gives ids as INT32 \[-1\], where ids \(INT64 \[-1\]\)/,
      ],
      [tensors({ ids: ['INT64', [-1]] }), 'torch-sentence.onnx', /6:\d+: make gives no weight \(FP32 \[1\]\) \(it gives ids\) by model/],
      [Type.Object({ ids: Type.Array(Type.Integer()) }), 'torch-sentence.onnx', /6:\d+: make gives no weight/],
      [Type.Array(Type.Number()), 'torch-sentence.onnx', /6:\d+: make gives a list, where an object of ids/],
    ]
    for (const [output, model, said] of cases) await assert.rejects(check(output, model), said)
  })
})
