import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import protobuf from 'protobufjs'
import { maskedCrc32c } from '../../../../connectors/models/tensorflow/crc32c.ts'
import { TensorBundle } from '../../../../connectors/models/tensorflow/tensor-bundle.ts'
import { WaggleError } from '../../../../topology/waggle-error.ts'
import { writeSortedTable } from '../../../support/sorted-table.ts'

interface Entry {
  readonly dtype: number
  readonly shape: readonly number[]
  readonly shard: number
  readonly offset: number
  readonly size: number
  readonly sum: number
}

const values = Buffer.from(Float32Array.of(1, 2, 3).buffer)
const good: Entry = { dtype: 1, shape: [3], shard: 0, offset: 4, size: 12, sum: maskedCrc32c(values) }

function entryBytes({ dtype, shape, shard, offset, size, sum }: Entry): Uint8Array {
  const writer = protobuf.Writer.create().uint32(8).int32(dtype).uint32(18).fork()
  for (const one of shape) writer.uint32(18).fork().uint32(8).int64(one).ldelim()
  return writer.ldelim().uint32(24).int32(shard).uint32(32).int64(offset).uint32(40).int64(size).uint32(53).fixed32(sum).finish()
}

describe('The variables of a SavedModel', () => {
  const directory = mkdtempSync(join(tmpdir(), 'waggle-bundle-'))
  after(() => rmSync(directory, { recursive: true, force: true }))
  let count = 0

  /** Writes a bundle with one variable, `v`, in one shard: four bytes, and the values of `good`. */
  function bundleOf(entry: Entry, header: Uint8Array = Buffer.of(8, 1)): string {
    const prefix = join(directory, `bundle-${count++}`)
    const entries = new Map<string, Uint8Array>([
      ['', header],
      ['v', entryBytes(entry)],
    ])
    writeFileSync(`${prefix}.index`, writeSortedTable(entries))
    writeFileSync(`${prefix}.data-00000-of-00001`, Buffer.concat([Buffer.alloc(4), values]))
    return prefix
  }

  function refuses(entry: Entry, said: RegExp, { header, maxBytes = 1000 }: { readonly header?: Uint8Array; readonly maxBytes?: number } = {}): void {
    const prefix = bundleOf(entry, header)
    assert.throws(
      () => new TensorBundle(prefix, maxBytes).tensor('v'),
      (error: unknown) => {
        assert.ok(error instanceof WaggleError)
        assert.equal(error.code, 'WAGGLE_MODEL_INVALID')
        assert.match(error.message, said)
        return true
      },
    )
  }

  it('are read from their position in their shard', () => {
    const bundle = new TensorBundle(bundleOf(good), 12)
    assert.deepEqual(bundle.tensor('v').tensorContent, values)
    assert.throws(() => bundle.tensor('w'), /no variable w/)
    assert.throws(() => bundle.tensor(''), /no variable/)
  })

  it('are refused with a wrong checksum, or with an index that does not fit the data', () => {
    refuses({ ...good, sum: good.sum + 1 }, /the checksum of the variable v is wrong/)
    refuses({ ...good, offset: 3 }, /the checksum of the variable v is wrong/)
    refuses({ ...good, offset: 5 }, /the variable v lies outside of .*data-00000-of-00001/)
    refuses({ ...good, offset: -1 }, /the variable v lies outside of/)
    refuses({ ...good, offset: 2 ** 52 }, /the variable v lies outside of/)
    refuses({ ...good, shard: 1 }, /the variable v lies in shard 1, and there are 1/)
    refuses({ ...good, shard: -1 }, /lies in shard -1/)
    refuses(good, /data-00000-of-00002 is missing, which has the variable v/, { header: Buffer.of(8, 2) })
  })

  it('are refused before memory is allocated if a shape does not fit the size, or is enormous', () => {
    refuses({ ...good, size: 8 }, /has 8 bytes, where its shape wants 12/)
    refuses({ ...good, shape: [3, -1] }, /a constant has the shape \[3, -1\]/)
    refuses({ ...good, shape: [2 ** 40, 2 ** 40], size: 2 ** 50 }, /a constant has the shape/)
    refuses({ ...good, shape: [2 ** 28], size: 2 ** 30 }, /passes the bound/)
    refuses(good, /passes the bound/, { maxBytes: 11 })
    refuses({ ...good, dtype: 7 }, /the data type number 7, which is not supported/)
  })

  it('are refused if their numbers have the other byte order, or if their file is not a bundle', () => {
    refuses(good, /big-endian/, { header: Buffer.of(8, 1, 16, 1) })
    const prefix = bundleOf(good)
    writeFileSync(`${prefix}.index`, 'this is not an index')
    assert.throws(() => new TensorBundle(prefix, 1000), /it is not a table/)
    rmSync(`${prefix}.index`)
    assert.throws(() => new TensorBundle(prefix, 1000), /bundle-\d+\.index is .*: it is missing/)
  })
})
