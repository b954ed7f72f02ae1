import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { refuseForeignFile } from '../../../connectors/models/foreign-file.ts'
import { openOnnx } from '../../../connectors/models/onnx-runtime.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { exportsDirectory } from '../../support/exported-models.ts'
import { savedModelsDirectory } from '../../support/saved-models.ts'

/** The parts of an archive that are read: its beginning, and the names at its end. */
const zip = (...names: readonly string[]) => `PK\x03\x04${'\0'.repeat(300)}${names.map((name) => `PK\x01\x02${name}`).join('')}PK\x05\x06`

const foreign: readonly (readonly [file: string, bytes: string, is: RegExp, next: RegExp])[] = [
  ['model.pkl', '\x80\x04\x95\0\0\0\0\0\0\0\0\x8c', /a pickle of Python/, /skl2onnx\.to_onnx/],
  ['model.joblib', '\x80\x05\x95\0\0\0\0\0\0\0\0\x8c', /a pickle of Python, as joblib/, /skl2onnx\.to_onnx/],
  ['model.joblib.gz', '\x1f\x8b\x08\0\0\0', /a compressed file, as joblib writes/, /skl2onnx\.to_onnx/],
  ['model.joblib.z', 'x\x9c\0\0\0', /a compressed file/, /skl2onnx\.to_onnx/],
  ['old.pt', '\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.', /a file of PyTorch/, /torch\.onnx\.export/],
  ['model.pt', zip('model/data.pkl', 'model/data/0', 'model/version'), /a file of PyTorch/, /torch\.onnx\.export/],
  ['script.pt', zip('net/data.pkl', 'net/code/__torch__.py', 'net/constants.pkl'), /a file of PyTorch/, /torch\.onnx\.export/],
  ['model.pt2', zip('model/archive_format', 'model/models/model.json'), /a program of torch\.export/, /torch\.export\.load/],
  ['model.keras', zip('metadata.json', 'config.json', 'model.weights.h5'), /a file of Keras/, /\.export\("FOLDER"/],
  ['small.keras', 'PK\x03\x04', /a file of Keras/, /\.export\("FOLDER"/],
  ['model.h5', '\x89HDF\r\n\x1a\n\0', /a file of Keras/, /\.export\("FOLDER"/],
  ['model.zip', zip('export/1/saved_model.pb'), /a zip archive of a SavedModel/, /tf-serving/],
  ['model-onnx.zip', zip('model.onnx'), /a zip archive with an ONNX file/, /Unpack it/],
  ['model.npz', zip('coef.npy'), /arrays of NumPy/, /docs\/models\.md/],
  ['other.zip', zip('a.txt'), /a zip archive/, /Unpack it/],
  ['model.npy', '\x93NUMPY\x01\0', /an array of NumPy/, /docs\/models\.md/],
  ['model.tflite', '\x1c\0\0\0TFL3', /a model of TensorFlow Lite/, /tf2onnx\.convert --tflite/],
  ['model.ort', '\x1c\0\0\0ORTM', /the ORT format/, /\.onnx file/],
  ['model.plan', 'ftrt\0\0\0', /an engine that TensorRT built/, /gpu: 1/],
  ['model.safetensors', '\x40\0\0\0\0\0\0\0{"__metadata__":{}}', /weights in safetensors/, /torch\.onnx\.export/],
  ['model.gguf', 'GGUF\x03\0', /GGUF/, /container/],
  ['model.txt', 'tree\nversion=v4\n', /a model of LightGBM/, /onnxmltools/],
  ['model.cbm', 'CBM1\0', /a model of CatBoost/, /format="onnx"/],
  ['model.ubj', '{L\0\0\0\0\0\0\0', /a model of XGBoost/, /onnxmltools/],
  ['xgboost.json', '{"learner":{"attributes":{}}}', /JSON, as XGBoost/, /onnxmltools/],
  ['model.json', '{"format": "layers-model", "modelTopology": {}}', /a model of TensorFlow\.js/, /SavedModel/],
  ['pointer.onnx', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /a pointer of Git LFS/, /git lfs pull/],
  ['page.onnx', '\n<!doctype html><title>404</title>', /an HTML or XML page/, /download/],
  ['empty.onnx', '', /is empty/, /whole file/],
]

describe('A file that is not a model', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-foreign-'))
  after(() => rmSync(directory, { recursive: true, force: true }))

  const written = (file: string, bytes: string | Uint8Array) => {
    const path = join(directory, file)
    writeFileSync(path, typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    return path
  }
  const isInvalid = (is: RegExp, next: RegExp) => (error: unknown) =>
    error instanceof WaggleError && error.code === 'WAGGLE_MODEL_INVALID' && is.test(error.message) && next.test(error.next)

  for (const [file, bytes, is, next] of foreign) {
    it(`is refused by both libraries, with its kind and the export that helps: ${file}`, () => {
      const path = written(file, bytes)
      for (const runtime of ['onnx', 'tensorflow'] as const) assert.throws(() => refuseForeignFile(path, runtime), isInvalid(is, next))
    })
  }

  it('is refused with the type of bee that can run such a file, if there is one', () => {
    const refuses = (path: string, runtime: 'onnx' | 'tensorflow', is: RegExp, next: RegExp) =>
      assert.throws(() => refuseForeignFile(path, runtime), isInvalid(is, next))
    refuses(join(exportsDirectory, 'keras-frozen.pb'), 'onnx', /a graph of TensorFlow \(\.pb\), and not an ONNX file/, /tf-serving, which runs it/)
    const saved = join(savedModelsDirectory, 'plain', 'saved_model.pb')
    refuses(saved, 'onnx', /the saved_model\.pb of a TensorFlow SavedModel/, /tf-serving, which runs its folder/)
    for (const file of ['torch-types.onnx', 'sklearn-names-zipmap.onnx', 'keras-tf2onnx.onnx', 'graph-flat.onnx'])
      refuses(join(exportsDirectory, file), 'tensorflow', /an ONNX file/, /tensor-rt/)
  })

  it('is not confused with a model of either library', () => {
    for (const file of ['torch-types.onnx', 'sklearn-names-zipmap.onnx', 'keras-export.onnx', 'graph-words.onnx'])
      refuseForeignFile(join(exportsDirectory, file), 'onnx')
    refuseForeignFile(join(exportsDirectory, 'keras-frozen.pb'), 'tensorflow')
    refuseForeignFile(join(savedModelsDirectory, 'plain', 'saved_model.pb'), 'tensorflow')
  })

  it('is refused with onnxruntime’s message if its kind is unknown, without a path of onnxruntime’s sources', async () => {
    const whole = smallModel({ features: 4, labels: 2 })
    const cut = written('cut.onnx', whole.subarray(0, whole.length - 20))
    const noise = written(
      'noise.onnx',
      Uint8Array.from({ length: 64 }, (_, at) => 255 - at),
    )
    const graphless = written('graphless.onnx', Uint8Array.of(0x08, 0x08))
    for (const path of [cut, noise, graphless]) {
      await assert.rejects(openOnnx(path, { gpu: 0, threads: 1 }, undefined), (error: unknown) => {
        assert.ok(isInvalid(/ cannot be loaded as an ONNX model: ./, /Name an \.onnx file that is whole/)(error), String(error))
        assert.doesNotMatch(String(error), /onnxruntime_src/)
        return true
      })
    }
  })

  it('is refused with the operator’s name if onnxruntime lacks an operator', async () => {
    const path = written(
      'strange.onnx',
      Buffer.from(
        Buffer.from(smallModel({ features: 4, labels: 2 }))
          .toString('latin1')
          .replace('Softmax', 'Softwax'),
        'latin1',
      ),
    )
    await assert.rejects(
      openOnnx(path, { gpu: 0, threads: 1 }, undefined),
      isInvalid(/strange\.onnx cannot be loaded as an ONNX model: .*Softwax/, /./),
    )
  })

  it('is refused if its weight file is missing, and the error names the right place for that file', async () => {
    const path = written('outside.onnx', modelWithWeightsOutside())
    await assert.rejects(
      openOnnx(path, { gpu: 0, threads: 1 }, undefined),
      isInvalid(/outside\.onnx cannot be loaded as an ONNX model: ./, /beside the model, or export it with external_data=False/),
    )
  })
})

/** A model whose weights are in `outside.onnx.data`, as PyTorch exports larger models. */
function modelWithWeightsOutside(): Uint8Array {
  const schema = `
    syntax = "proto3";
    message Entry { string key = 1; string value = 2; }
    message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; repeated Entry external_data = 13; int32 data_location = 14; }
    message Graph { repeated bytes node = 1; string name = 2; repeated Tensor initializer = 5; repeated bytes input = 11; repeated bytes output = 12; }
    message Model { int64 ir_version = 1; Graph graph = 7; repeated bytes opset_import = 8; }`
  const type = protobuf.parse(schema, { keepCase: true }).root.lookupType('Model')
  const model = type.toObject(type.decode(smallModel({ features: 4, labels: 2 })))
  const [weights] = model.graph.initializer
  delete weights.raw_data
  Object.assign(weights, {
    data_location: 1,
    external_data: [
      { key: 'location', value: 'outside.onnx.data' },
      { key: 'length', value: '32' },
    ],
  })
  return type.encode(type.fromObject(model)).finish()
}
