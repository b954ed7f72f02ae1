import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { filesBeside } from '../objects/files-beside.ts'

/**
 * Refuses a model that this process has no memory for, before any of it is read. Without this the kernel would end the whole process while the model is loaded. Throws
 * WAGGLE_MODEL_TOO_LARGE.
 */
export async function refuseLargerThanMemory(path: string, availableBytes: () => Promise<number>): Promise<void> {
  const bytes = await bytesAt(path)
  const needed = bytes * copiesInMemory
  const available = await availableBytes()
  if (needed <= available) return
  throw new WaggleError('WAGGLE_MODEL_TOO_LARGE', {
    message: `${path} has ${bytes} bytes, so it needs at least ${needed} bytes of memory, and this process may take ${Math.round(available)} more`,
    next: 'Give the machine or the container more memory, name a smaller model, or set WAGGLE_MODEL_MEMORY_BYTES if you know that it fits.',
  })
}

/** The bytes of a file with its weights beside it, or of all files in a folder. */
async function bytesAt(path: string): Promise<number> {
  const stats = await stat(path)
  const files = stats.isDirectory()
    ? (await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])).map((entry) => join(entry.parentPath, entry.name))
    : [path, ...filesBeside(basename(path)).map((name) => join(dirname(path), name))]
  const sizes = await Promise.all(files.map((file) => stat(file).catch(() => null)))
  return sizes.reduce((sum, one) => sum + (one?.isFile() === true ? one.size : 0), 0)
}

/**
 * The libraries hold a model at least this often while it is loaded: as it is in its file, and as the tensors that they compute with. Measured with 310 MiB of weights: 3.2 times
 * at the peak for ONNX and 2.2 times afterwards, 4.3 and 3.2 times for a translated SavedModel.
 */
const copiesInMemory = 2
