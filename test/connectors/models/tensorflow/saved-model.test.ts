import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ThreadedModels } from '../../../../connectors/models/threaded-models.ts'
import { assertAnswers, savedModelCases, savedModelsDirectory } from '../../../support/saved-models.ts'

describe('A model that TensorFlow saved', () => {
  for (const one of savedModelCases.filter(({ model }) => model !== 'operators')) {
    const { model: name, spec } = one
    it(`${name} gives the answers of TensorFlow${spec.signature === undefined ? '' : ` by its signature ${spec.signature}`}`, async () => {
      const model = await new ThreadedModels({ requireGpu: false }).open({
        path: join(savedModelsDirectory, name),
        runtime: 'tensorflow',
        gpu: 0,
        fit: {},
        tensorflow: spec,
        log: () => {},
      })
      try {
        await assertAnswers(model, one)
      } finally {
        await model.close()
      }
    })
  }
})
