import { closeSync, openSync, readSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { requireInFolderOf } from '../model-folder.ts'
import { maskedCrc32c } from './crc32c.ts'
import { decoded, type RawTensor, sizesOf } from './graph-schema.ts'
import { invalidModel } from './invalid-model.ts'
import { readRegularFile, sizeOfFile } from './regular-file.ts'
import { sortedTable } from './sorted-table.ts'
import { bytesOfType, sizeOfShape } from './tensor-size.ts'

/**
 * The stored variables of a SavedModel. `PREFIX.index` contains the position of each tensor in `PREFIX.data-00000-of-0000N`. Sizes, positions and
 * checksums are checked. Throws WAGGLE_MODEL_INVALID.
 */
export class TensorBundle {
  readonly #prefix: string
  readonly #model: string
  readonly #entries: ReadonlyMap<string, Buffer>
  readonly #shards: number
  #bytesLeft: number

  /** `maxBytes`: the most bytes of all read tensors together. */
  constructor(prefix: string, maxBytes: number) {
    this.#prefix = prefix
    this.#model = join(dirname(dirname(prefix)), 'saved_model.pb')
    this.#bytesLeft = maxBytes
    const path = `${prefix}.index`
    try {
      requireInFolderOf(this.#model, path)
      this.#entries = sortedTable(readRegularFile(path, maxIndexBytes))
      const header = decoded('BundleHeader', this.#entries.get('') ?? Buffer.alloc(0))
      if (header.endianness !== 0) throw new RangeError('its numbers are big-endian')
      this.#shards = header.numShards
    } catch (cause) {
      throw invalidModel(path, reasonOf(cause), { cause })
    }
  }

  has(key: string): boolean {
    return key !== '' && this.#entries.has(key)
  }

  tensor(key: string): RawTensor {
    const path = `${this.#prefix}.index`
    const bytes = key === '' ? undefined : this.#entries.get(key)
    if (bytes === undefined) throw invalidModel(path, `it has no variable ${key}`)
    try {
      const { dtype, shape, shardId, offset, size, crc32c, slices } = decoded('BundleEntry', bytes)
      if (slices.length > 0) throw new RangeError(`the variable ${key} is stored in slices, which is not supported`)
      const width = bytesOfType(dtype)
      if (width === undefined) throw new RangeError(`the variable ${key} has the data type number ${dtype}, which is not supported`)
      const wanted = sizeOfShape(sizesOf(shape)) * width
      if (Number(size) !== wanted) throw new RangeError(`the variable ${key} has ${size} bytes, where its shape wants ${wanted}`)
      if (wanted > this.#bytesLeft) throw new RangeError(`the variable ${key} passes the bound of the model's size`)
      this.#bytesLeft -= wanted
      const content = this.#read(key, shardId, Number(offset), wanted)
      if (maskedCrc32c(content) !== crc32c) throw new RangeError(`the checksum of the variable ${key} is wrong`)
      return { dtype, tensorShape: shape ?? {}, tensorContent: content, floatVal: [], intVal: [], stringVal: [], int64Val: [], boolVal: [] }
    } catch (cause) {
      throw invalidModel(path, reasonOf(cause), { cause })
    }
  }

  #read(key: string, shard: number, offset: number, size: number): Buffer {
    if (!(shard >= 0 && shard < this.#shards)) throw new RangeError(`the variable ${key} lies in shard ${shard}, and there are ${this.#shards}`)
    const number = (value: number) => String(value).padStart(5, '0')
    const path = `${this.#prefix}.data-${number(shard)}-of-${number(this.#shards)}`
    const content = Buffer.alloc(size)
    let fileBytes: number
    try {
      requireInFolderOf(this.#model, path)
      fileBytes = sizeOfFile(path)
    } catch (cause) {
      throw cause instanceof RangeError ? cause : new RangeError(`${path} is missing, which has the variable ${key}`, { cause })
    }
    const file = openSync(path, 'r')
    try {
      const isInside = offset >= 0 && offset + size <= fileBytes
      if (!isInside || readSync(file, content, 0, size, offset) !== size) throw new RangeError(`the variable ${key} lies outside of ${path}`)
    } finally {
      closeSync(file)
    }
    return content
  }
}

const maxIndexBytes = 256 * 1024 * 1024

function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as NodeJS.ErrnoException
  return code === 'ENOENT' ? 'it is missing' : message
}
