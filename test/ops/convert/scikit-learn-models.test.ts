import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeConversion } from '../../support/converted-models.ts'

describeConversion('waggle models convert with scikit-learn, XGBoost and LightGBM', 'scikit-learn', (models) => ({
  'writes a pipeline of scikit-learn as ONNX that gives the same': () => models.of('pipeline.joblib'),
  'writes trees of XGBoost as ONNX that give the same': () => models.of('trees.ubj'),
  'writes trees of LightGBM as ONNX that give the same': () => models.of('binary.txt'),
  async 'refuses a file of another program in one line, with the reason of the library'() {
    writeFileSync(join(models.folder, 'other.json'), '{}')
    await assert.rejects(models.of('other.json'), /failed: XGBoostError: [^\n"\\]*","next":"Correct/)
  },
}))
