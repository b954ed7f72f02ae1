import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { BeeContext } from '../../../bees/define-bee.ts'
import type { ModelSpec } from '../../../bees/model/model-spec.ts'
import { modelBee } from '../../../bees/model-versions/model-bee.ts'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { assertClose, exportedModels, exportsDirectory } from '../../support/exported-models.ts'
import { fixedReplicas } from '../../support/fixed-replicas.ts'

describe('An exported model', () => {
  for (const { model, type, spec, requests } of exportedModels) {
    const named = spec.labels === undefined ? '' : ` with ${spec.labels.length} labels`
    it(`gives the same answers as Python, row by row and in one batch: ${model}${named}`, async () => {
      const context = {
        spec: { model, ...spec },
        gpu: 0,
        bee: 'model',
        replicate: fixedReplicas(1),
        ports: { models: new ThreadedModels({ requireGpu: false }) },
        resolve: async (name: string) => join(exportsDirectory, name),
        log: () => {},
        now: () => 0,
      } as unknown as BeeContext<ModelSpec>
      const bee = await modelBee(context, type === 'tf-serving' ? 'tensorflow' : 'onnx')
      assert.ok('processBatch' in bee)
      try {
        const bodies = requests.map(({ body }) => body)
        const together = await bee.processBatch([...bodies, ...bodies], [])
        for (const [at, { body, answer }] of requests.entries()) {
          const [alone] = await bee.processBatch([body], [])
          for (const outcome of [alone, together[at], together[at + requests.length]])
            assertClose(outcome, { ...answer, model: 'model' }, `${model} ${at}`)
        }
      } finally {
        await bee.close?.()
      }
    })
  }
})
