import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import protobuf from 'protobufjs'
import type { BeeCheckContext } from '../../../bees/define-bee.ts'
import type { ModelSpec } from '../../../bees/model/model-spec.ts'
import { checkModel } from '../../../bees/model-versions/model-bee.ts'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'

describe('The labels of a model', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'waggle-labels-'))
  })
  afterEach(() => rmSync(directory, { recursive: true }))

  function write(file: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(directory, file)), { recursive: true })
    writeFileSync(join(directory, file), content)
  }

  /** The labels of the scores, as `validate` finds them. */
  async function labelsOf(model: string, spec: Partial<ModelSpec> = {}): Promise<readonly string[] | null | undefined> {
    const context = {
      spec: { model, ...spec },
      ports: { models: new ThreadedModels({ requireGpu: false }) },
      resolve: async (name: string) => join(directory, name),
    } as unknown as BeeCheckContext<ModelSpec>
    return (await checkModel(context, model.endsWith('.onnx') ? 'onnx' : 'tensorflow')).labels
  }

  it('come from a file beside the model', async () => {
    write('txt.onnx', smallModel({ features: 2, labels: 2 }))
    write('txt.labels.txt', 'no\nyes\n')
    assert.deepEqual(await labelsOf('txt.onnx'), ['no', 'yes'])
    write('json.onnx', smallModel({ features: 2, labels: 2 }))
    write('json.labels.json', '["no", "yes"]')
    assert.deepEqual(await labelsOf('json.onnx'), ['no', 'yes'])
  })

  for (const key of ['labels', 'classes', 'names']) {
    it(`come from an ONNX file’s metadata under ${key}`, async () => {
      write('small.onnx', withMetadata(smallModel({ features: 2, labels: 2 }), key, `{0: 'no', 1: 'yes'}`))
      assert.deepEqual(await labelsOf('small.onnx'), ['no', 'yes'])
    })
  }

  it('are the numbers of the scores if the metadata has no usable labels', async () => {
    write('small.onnx', withMetadata(smallModel({ features: 2, labels: 2 }), 'names', '[1, 2]'))
    assert.deepEqual(await labelsOf('small.onnx'), ['0', '1'])
  })

  it('come from the spec first, then from the file beside the model, then from the metadata', async () => {
    write('small.onnx', withMetadata(smallModel({ features: 2, labels: 2 }), 'labels', 'a,b'))
    write('small.labels.txt', 'c\nd\n')
    assert.deepEqual(await labelsOf('small.onnx'), ['c', 'd'])
    assert.deepEqual(await labelsOf('small.onnx', { labels: ['e', 'f'] }), ['e', 'f'])
  })

  for (const folder of ['assets', 'assets.extra']) {
    it(`come from a SavedModel’s ${folder}/labels.txt`, async () => {
      cpSync(join(import.meta.dirname, 'saved-models', savedModel), join(directory, 'saved'), { recursive: true })
      write(`saved/${folder}/labels.txt`, 'no\nyes\n')
      assert.deepEqual(await labelsOf('saved'), ['no', 'yes'])
    })
  }

  it('are a mistake if their file is a link out of the model’s folder, but are read if the folder itself is a link', async () => {
    write('secret', 'no\nyes\n')
    write('models/small.onnx', smallModel({ features: 2, labels: 2 }))
    symlinkSync(join(directory, 'secret'), join(directory, 'models', 'small.labels.txt'))
    await assert.rejects(
      labelsOf('models/small.onnx'),
      refusal('WAGGLE_MODEL_INVALID', /small\.labels\.txt is a link that leads out of the model’s folder$/),
    )
    write('real/small.onnx', smallModel({ features: 2, labels: 2 }))
    write('real/small.labels.txt', 'no\nyes\n')
    symlinkSync(join(directory, 'real'), join(directory, 'linked'))
    assert.deepEqual(await labelsOf('linked/small.onnx'), ['no', 'yes'])
    cpSync(join(import.meta.dirname, 'saved-models', savedModel), join(directory, 'saved'), { recursive: true })
    mkdirSync(join(directory, 'saved', 'assets'), { recursive: true })
    symlinkSync(join(directory, 'secret'), join(directory, 'saved', 'assets', 'labels.txt'))
    await assert.rejects(labelsOf('saved'), refusal('WAGGLE_MODEL_INVALID', /labels\.txt is a link that leads out/))
  })

  it('are a mistake, with the file and both numbers, if the number of labels differs from the number of scores', async () => {
    write('beside.onnx', smallModel({ features: 2, labels: 2 }))
    write('beside.labels.txt', 'no\n')
    await assert.rejects(
      labelsOf('beside.onnx'),
      refusal('WAGGLE_MODEL_SHAPE', /gives 2 scores in probabilities, and .*beside\.labels\.txt names 1$/),
    )
    write('inside.onnx', withMetadata(smallModel({ features: 2, labels: 2 }), 'classes', 'a,b,c'))
    await assert.rejects(labelsOf('inside.onnx'), refusal('WAGGLE_MODEL_SHAPE', /and its metadata \(classes\) names 3$/))
  })

  it('are a mistake if their file cannot be read as labels, unless the spec has labels', async () => {
    write('small.onnx', smallModel({ features: 2, labels: 2 }))
    write('small.labels.json', '{"no": 0}')
    await assert.rejects(
      labelsOf('small.onnx'),
      refusal('WAGGLE_MODEL_INVALID', /small\.labels\.json names no labels: it is not a JSON list of strings$/),
    )
    assert.deepEqual(await labelsOf('small.onnx', { labels: ['a', 'b'] }), ['a', 'b'])
    write('small.labels.txt', 'no\nyes')
    await assert.rejects(labelsOf('small.onnx'), refusal('WAGGLE_MODEL_INVALID', /both name the labels/))
  })
})

function refusal(code: string, said: RegExp): (thrown: unknown) => boolean {
  return (thrown) => {
    assert.ok(thrown instanceof WaggleError)
    assert.equal(thrown.code, code)
    assert.match(thrown.message, said)
    return true
  }
}

/** The file of a model with one more entry in its metadata. A field after the end of a message counts as a part of the message. */
function withMetadata(model: Uint8Array, key: string, value: string): Uint8Array {
  const entry = protobuf.Writer.create().uint32(0x0a).string(key).uint32(0x12).string(value).finish()
  return Buffer.concat([
    model,
    protobuf.Writer.create()
      .uint32((metadataField << 3) | 2)
      .bytes(entry)
      .finish(),
  ])
}

const metadataField = 14
const savedModel = 'session'
