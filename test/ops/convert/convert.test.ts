import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { type ModelKind, packagesOf } from '../../../ops/convert/conversion-packages.ts'
import { ended, pythonEnvironment } from '../../../ops/convert/python-environment.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { assertAnswers, savedModelCases, savedModelsDirectory } from '../../support/saved-models.ts'

const main = resolve(import.meta.dirname, '..', '..', '..', 'ops', 'cli', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'waggle-converted-'))

/** Converts with the real libraries. Exits with 1 if the outputs differ. */
async function converted(file: string): Promise<string> {
  const onnx = join(folder, 'converted.onnx')
  const argv = [main, 'models', 'convert', resolve(folder, file), '--output', onnx, '--json']
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 300_000 })
  assert.match(stdout, /"outputs":\[\{"name":"/)
  return onnx
}

/** Tests with the Python packages of one kind. Where they cannot be had, they are skipped with the reason, and fail in CI. */
function describeWithPython(name: string, kind: ModelKind, tests: readonly (readonly [name: string, run: () => Promise<void>])[]): void {
  describe(name, () => {
    let missing: string | null = null
    before(async () => {
      try {
        const python = await pythonEnvironment({ packages: packagesOf(kind), say: () => {} })
        await ended(python, [join(import.meta.dirname, 'models.py'), kind, folder], '')
      } catch (thrown) {
        if (!(thrown instanceof WaggleError) || process.env.CI === 'true') throw thrown
        missing = thrown.message
      }
    })
    for (const [title, run] of tests)
      it(title, async (test) => {
        if (missing === null) await run()
        else test.skip(missing)
      })
  })
}

after(() => rmSync(folder, { recursive: true }))

const answersAs = async (file: string, name: string) => {
  const known = savedModelCases.find(({ model }) => model === name)
  assert.ok(known !== undefined)
  const model = await new ThreadedModels({ requireGpu: false }).open({ path: await converted(file), runtime: 'onnx', gpu: 0, fit: {}, log: () => {} })
  try {
    await assertAnswers(model, known)
  } finally {
    await model.close()
  }
}

describeWithPython('waggle models convert with TensorFlow and Keras', 'keras', [
  ['writes a SavedModel as ONNX that answers as TensorFlow does', () => answersAs(join(savedModelsDirectory, 'dense', '1'), 'dense/1')],
  ['writes a frozen graph as ONNX that answers as TensorFlow does', () => answersAs(join(savedModelsDirectory, 'mobilenet.pb'), 'mobilenet.pb')],
  ['writes a .keras file as ONNX that gives the same', async () => void (await converted('keras.keras'))],
  [
    'refuses a graph with variables, and names the file to give instead',
    async () => {
      // A GraphDef with one node of the operator VarHandleOp.
      writeFileSync(join(folder, 'variables.pb'), Buffer.from('\x0a\x10\x0a\x01v\x12\x0bVarHandleOp', 'latin1'))
      await assert.rejects(converted('variables.pb'), /has variables, whose values lie in files beside it: name the folder of the SavedModel/)
    },
  ],
])

describeWithPython('waggle models convert with scikit-learn, XGBoost and LightGBM', 'scikit-learn', [
  ['writes a pipeline of scikit-learn as ONNX that gives the same', async () => void (await converted('pipeline.joblib'))],
  ['writes trees of XGBoost as ONNX that give the same', async () => void (await converted('trees.ubj'))],
  ['writes trees of LightGBM as ONNX that give the same', async () => void (await converted('binary.txt'))],
  [
    'refuses a file of another program in one line, with the reason of the library',
    async () => {
      writeFileSync(join(folder, 'other.json'), '{}')
      await assert.rejects(converted('other.json'), /failed: XGBoostError: [^\n"\\]*","next":"Correct/)
    },
  ],
])
