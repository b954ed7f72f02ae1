import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { describeConversion } from '../../support/converted-models.ts'
import { assertAnswers, savedModelCases, savedModelsDirectory } from '../../support/saved-models.ts'

describeConversion('waggle models convert with TensorFlow and Keras', 'keras', (models) => {
  async function answers(name: string): Promise<void> {
    const known = savedModelCases.find(({ model }) => model === name)
    assert.ok(known !== undefined)
    const path = await models.of(join(savedModelsDirectory, name))
    const model = await new ThreadedModels({ requireGpu: false }).open({ path, runtime: 'onnx', gpu: 0, fit: {}, log: () => {} })
    try {
      await assertAnswers(model, known)
    } finally {
      await model.close()
    }
  }

  return {
    'writes a SavedModel as ONNX that answers as TensorFlow does': () => answers('dense/1'),
    'writes a frozen graph as ONNX that answers as TensorFlow does': () => answers('mobilenet.pb'),
    'writes a .keras file as ONNX that gives the same': () => models.of('keras.keras'),
    async 'refuses a graph with variables, and names the file to give instead'() {
      // A GraphDef with one node of the operator VarHandleOp.
      writeFileSync(join(models.folder, 'variables.pb'), Buffer.from('\x0a\x10\x0a\x01v\x12\x0bVarHandleOp', 'latin1'))
      await assert.rejects(models.of('variables.pb'), /has variables, whose values lie in files beside it: name the folder of the SavedModel/)
    },
  }
})
