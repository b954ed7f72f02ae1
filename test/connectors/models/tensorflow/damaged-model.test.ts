import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { readTensorFlowGraph } from '../../../../connectors/models/tensorflow/tensorflow-graph.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { savedModelsDirectory } from '../../../support/saved-models.ts'

describe('A TensorFlow model whose files are damaged', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-damaged-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  let count = 0

  /** A copy of a model, with damage. */
  function damaged(name: string, damage: (path: string) => void): string {
    const path = join(directory, String(count++), name.replace('/', '-'))
    cpSync(join(savedModelsDirectory, name), path, { recursive: true })
    damage(path)
    return path
  }

  function refuses(path: string, code: string, said: RegExp): void {
    assert.throws(
      () => readTensorFlowGraph(path, {}),
      (error: unknown) => {
        assert.ok(error instanceof WaggleError, String(error))
        assert.equal(error.code, code, error.message)
        assert.match(error.message, said)
        assert.ok(error.next.length > 0)
        return true
      },
    )
  }

  function changed(file: string, change: (bytes: Buffer) => Uint8Array): (path: string) => void {
    return (path) => writeFileSync(join(path, file), change(readFileSync(join(path, file))))
  }

  const graph = 'saved_model.pb'
  const index = join('variables', 'variables.index')
  const data = join('variables', 'variables.data-00000-of-00001')
  const flipped = (at: number) => (bytes: Buffer) => {
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }

  it('is refused if its graph is truncated, empty, or of another kind', () => {
    refuses(
      damaged('dense/1', (path) => truncateSync(join(path, graph), 5000)),
      'WAGGLE_MODEL_INVALID',
      /saved_model\.pb/,
    )
    refuses(
      damaged('dense/1', (path) => truncateSync(join(path, graph), 0)),
      'WAGGLE_MODEL_INVALID',
      /no graph/,
    )
    refuses(
      damaged(
        'dense/1',
        changed(graph, () => Buffer.from('this is not a model')),
      ),
      'WAGGLE_MODEL_INVALID',
      /saved_model\.pb/,
    )
    const frozen = readFileSync(join(savedModelsDirectory, 'mobilenet.pb'))
    refuses(
      damaged(
        'dense/1',
        changed(graph, () => frozen),
      ),
      'WAGGLE_MODEL_INVALID',
      /saved_model\.pb/,
    )
    const saved = join(savedModelsDirectory, 'dense', '1', graph)
    refuses(
      damaged('mobilenet.pb', (path) => cpSync(saved, path)),
      'WAGGLE_MODEL_INVALID',
      /mobilenet\.pb/,
    )
  })

  it('is refused if it is a file of another library, and for a Keras file the error names the call that exports it', () => {
    const onnx = join(savedModelsDirectory, '..', 'exports', 'keras-export.onnx')
    refuses(onnx, 'WAGGLE_MODEL_INVALID', /keras-export\.onnx is an ONNX file, and not a model of TensorFlow/)
    for (const [name, bytes] of [
      ['model.keras', Buffer.from('PK\x03\x04and more')],
      ['model.h5', Buffer.from('\x89HDF\r\n\x1a\nand more', 'latin1')],
    ] as const) {
      const path = join(directory, name)
      writeFileSync(path, bytes)
      assert.throws(
        () => readTensorFlowGraph(path, {}),
        (error: unknown) => error instanceof WaggleError && /is a file of Keras/.test(error.message) && /\.export\(/.test(error.next),
      )
    }
  })

  it('causes an error with a code for every truncation of its graph', () => {
    const whole = readFileSync(join(savedModelsDirectory, 'mobilenet.pb'))
    const path = join(directory, 'cut.pb')
    for (let length = 0; length < whole.length; length += 501) {
      writeFileSync(path, whole.subarray(0, length))
      assert.throws(
        () => readTensorFlowGraph(path, {}),
        (error: unknown) => error instanceof WaggleError && /^WAGGLE_MODEL_(INVALID|SHAPE)$/.test(error.code),
        `${length} bytes`,
      )
    }
  })

  it('is refused with the file’s name if its variables are missing, truncated or changed', () => {
    refuses(
      damaged('dense/1', (path) => rmSync(join(path, 'variables'), { recursive: true })),
      'WAGGLE_MODEL_INVALID',
      /variables\.index is .* it is missing/,
    )
    refuses(
      damaged('dense/1', (path) => rmSync(join(path, data))),
      'WAGGLE_MODEL_INVALID',
      /data-00000-of-00001 is missing, which has the variable/,
    )
    refuses(
      damaged('dense/1', (path) => truncateSync(join(path, data), 20)),
      'WAGGLE_MODEL_INVALID',
      /lies outside of .*data-00000-of-00001/,
    )
    refuses(
      damaged('dense/1', (path) => truncateSync(join(path, index), 100)),
      'WAGGLE_MODEL_INVALID',
      /variables\.index .* its end is missing/,
    )
    refuses(damaged('dense/1', changed(index, flipped(20))), 'WAGGLE_MODEL_INVALID', /variables\.index .* the checksum of a block is wrong/)
    refuses(
      damaged(
        'dense/1',
        changed(data, (bytes) => bytes.map((byte) => byte ^ 1)),
      ),
      'WAGGLE_MODEL_INVALID',
      /the checksum of the variable .* is wrong/,
    )
  })

  it('is refused with the shard’s name if one of its shards is missing', () => {
    refuses(
      damaged('words', (path) => rmSync(join(path, 'variables', 'variables.data-00001-of-00002'))),
      'WAGGLE_MODEL_INVALID',
      /data-00001-of-00002 is missing/,
    )
  })

  it('is refused without being read if a pipe is in the place of a file', () => {
    const piped = (file: string) => (path: string) => {
      rmSync(join(path, file))
      execFileSync('mkfifo', [join(path, file)])
    }
    for (const file of [graph, index, data]) refuses(damaged('dense/1', piped(file)), 'WAGGLE_MODEL_INVALID', /is not a regular file/)
  })

  it('is refused with a link out of its folder, but opens with a link inside the folder or to the whole folder', () => {
    const moved = (file: string, to: string) => (path: string) => {
      renameSync(join(path, file), join(path, to))
      symlinkSync(join(path, to), join(path, file))
    }
    for (const file of [index, data]) {
      refuses(damaged('dense/1', moved(file, join('..', 'outside'))), 'WAGGLE_MODEL_INVALID', /is a link that leads out of the model’s folder/)
      assert.ok(readTensorFlowGraph(damaged('dense/1', moved(file, 'inside')), {}).nodes.length > 0)
    }
    const linked = join(directory, 'linked')
    symlinkSync(join(savedModelsDirectory, 'dense', '1'), linked)
    assert.ok(readTensorFlowGraph(linked, {}).nodes.length > 0)
  })

  it('is refused if its folder contains no model', () => {
    const empty = join(directory, 'empty')
    mkdirSync(join(empty, '3', 'variables'), { recursive: true })
    refuses(empty, 'WAGGLE_MODEL_NOT_FOUND', /no saved_model\.pb, and no numbered folder with one/)
    refuses(join(empty, 'saved_model.pb'), 'WAGGLE_MODEL_NOT_FOUND', /There is no model at/)
  })

  it('is refused before memory is allocated if a single value stands for an enormous constant', () => {
    const type = protobuf
      .parse(`
      syntax = "proto3";
      message Dim { int64 size = 1; }
      message Shape { repeated Dim dim = 2; }
      message Tensor { int32 dtype = 1; Shape tensor_shape = 2; repeated float float_val = 5; }
      message Attr { int32 type = 6; Shape shape = 7; Tensor tensor = 8; }
      message Node { string name = 1; string op = 2; repeated string input = 3; map<string, Attr> attr = 5; }
      message Graph { repeated Node node = 1; }
    `)
      .root.lookupType('Graph')
    const constant = (...sizes: readonly number[]) => ({ tensor: { dtype: 1, tensorShape: { dim: sizes.map((size) => ({ size })) }, floatVal: [1] } })
    const path = join(directory, 'large.pb')
    for (const [sizes, said] of [
      [[2 ** 20, 2 ** 20], /the constant c: a constant has the shape/],
      [[2 ** 14, 2 ** 15], /the constant c: it passes the bound/],
      [[-5], /the constant c: a constant has the shape/],
    ] as const) {
      const node = [
        { name: 'x', op: 'Placeholder', attr: { dtype: { type: 1 }, shape: { shape: { dim: [{ size: 2 }] } } } },
        { name: 'c', op: 'Const', attr: { value: constant(...sizes) } },
        { name: 'y', op: 'Add', input: ['x', 'c'] },
      ]
      writeFileSync(path, type.encode(type.fromObject({ node })).finish())
      refuses(path, 'WAGGLE_MODEL_INVALID', said)
    }
  })
})
