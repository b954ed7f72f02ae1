import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { ThreadedModels } from '../../../connectors/models/threaded-models.ts'
import { smallModel } from '../../../ops/bench/small-model.ts'

describe('A model that is larger than the memory', () => {
  const root = mkdtempSync(join(tmpdir(), 'waggle-large-'))
  after(() => rmSync(root, { recursive: true }))
  const gib = 2 ** 30

  /** A file of this size that takes no space on the disk. */
  const large = (path: string, bytes: number) => {
    const file = join(root, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, '')
    truncateSync(file, bytes)
    return file
  }
  const open = (path: string, { memoryBytes, version }: { readonly memoryBytes?: number; readonly version?: number } = {}) =>
    new ThreadedModels({ requireGpu: false, ...(memoryBytes === undefined ? {} : { memoryBytes }) }).open({
      path,
      runtime: path.includes('saved') ? 'tensorflow' : 'onnx',
      gpu: 0,
      fit: {},
      ...(version === undefined ? {} : { version }),
      log: () => {},
    })
  const refused = (needed: number, free: number) => ({
    code: 'WAGGLE_MODEL_TOO_LARGE',
    message: new RegExp(`has ${needed / 2} bytes, so it needs at least ${needed} bytes of memory, and this process may take ${free} more$`),
    next: /WAGGLE_MODEL_MEMORY_BYTES/,
  })

  it('is refused before it is read, and the error names the needed memory and the free memory', async () => {
    await assert.rejects(open(large('a.onnx', 3 * gib), { memoryBytes: 4 * gib }), refused(6 * gib, 4 * gib))
  })

  it('is refused without any setting if the machine has less memory', async () => {
    // A file of 8 TiB, which takes no space on the disk either.
    await assert.rejects(open(large('huge.onnx', 2 ** 43)), { code: 'WAGGLE_MODEL_TOO_LARGE' })
  })

  it('counts together with the weights beside an ONNX file, or with the variables of a SavedModel', async () => {
    large('b.onnx.data', 2 * gib)
    await assert.rejects(open(large('b.onnx', gib), { memoryBytes: gib }), refused(6 * gib, gib))
    large('saved/saved_model.pb', gib)
    large('saved/variables/variables.data-00000-of-00001', 2 * gib)
    await assert.rejects(open(join(root, 'saved'), { memoryBytes: gib }), refused(6 * gib, gib))
  })

  it('is refused only if the opened version itself is too large', async () => {
    large('versions/1/model.onnx', 3 * gib)
    mkdirSync(join(root, 'versions', '2'))
    writeFileSync(join(root, 'versions', '2', 'model.onnx'), smallModel({ features: 4, labels: 2 }))
    await assert.rejects(open(join(root, 'versions'), { memoryBytes: gib, version: 1 }), refused(6 * gib, gib))
    await (await open(join(root, 'versions'), { memoryBytes: gib, version: 2 })).close()
  })
})
