import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { WaggleError } from '../../topology/waggle-error.ts'
import { filesBeside } from '../objects/files-beside.ts'

/**
 * Refuses a model for which this process has not enough memory, before any byte of the model is read. Without this check, the kernel would end the
 * whole process while the model is loaded. Throws WAGGLE_MODEL_TOO_LARGE.
 */
export async function refuseLargerThanMemory(path: string, availableBytes: () => Promise<number>): Promise<void> {
  const bytes = await bytesAt(path)
  const needed = bytes * copiesInMemory
  const available = await availableBytes()
  if (needed <= available) return
  throw new WaggleError('WAGGLE_MODEL_TOO_LARGE', {
    message: `${path} has ${bytes} bytes, so it needs at least ${needed} bytes of memory, and this process may take ${Math.round(available)} more`,
    next: 'Give the machine or the container more memory, name a smaller model, or set WAGGLE_MODEL_MEMORY_BYTES if you know that the model fits.',
  })
}

/** The bytes of a model file and its weight file together, or the bytes of all files in a model's folder. */
async function bytesAt(path: string): Promise<number> {
  const stats = await stat(path)
  const files = stats.isDirectory()
    ? (await readdir(path, { recursive: true, withFileTypes: true }).catch(() => [])).map((entry) => join(entry.parentPath, entry.name))
    : [path, ...filesBeside(basename(path)).map((name) => join(dirname(path), name))]
  const sizes = await Promise.all(files.map((file) => stat(file).catch(() => null)))
  return sizes.reduce((sum, one) => sum + (one?.isFile() === true ? one.size : 0), 0)
}

/**
 * A lower bound: while a model is loaded, the memory must have room for this many copies of its bytes, one for the file and one for the tensors.
 * Measured with 310 MiB of weights: ONNX takes 3.2 times the file at the peak and 2.2 times afterwards; a translated SavedModel takes 4.3 and 3.2
 * times.
 */
const copiesInMemory = 2
