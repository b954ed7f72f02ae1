import { pathToFileURL } from 'node:url'
import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Bee, defineBee } from '../define-bee.ts'

export default defineBee({
  type: 'module',
  summary: 'Your own TypeScript or JavaScript, in this process.',
  delivery: 'Called again for what no commit holds after a crash: keep it free of effects, or make them idempotent by request id.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The module, relative to the swarm file.' }),
      bee: Type.Optional(
        Type.String({ description: 'Which export to use (default): a function (input, request) => output, or { process } or { processBatch }.' }),
      ),
    },
    { additionalProperties: false, required: ['file'] },
  ),
  examples: [{ file: './preprocess/preprocess.ts' }],
  // Only the file's existence is checked: its exports are known when it is loaded.
  async check({ spec, resolve }) {
    await resolve(spec.file)
  },
  async create({ spec, resolve, bee }) {
    const path = await resolve(spec.file)
    const name = spec.bee ?? 'default'
    const module = await load(path, bee)
    const found = module[name]
    if (typeof found === 'function') return { process: found as (input: unknown) => unknown }
    if (found !== null && typeof found === 'object' && ('process' in found || 'processBatch' in found)) return found as Bee<unknown, unknown>
    const exports = Object.keys(module).join(', ')
    throw new WaggleError('WAGGLE_INVALID_MODULE', {
      message: `${path} has no export ${name} that is a function or has a process function`,
      next: exports === '' ? 'Export one.' : `It exports: ${exports}.`,
    })
  },
})

async function load(path: string, bee: string): Promise<{ readonly [name: string]: unknown }> {
  try {
    return (await import(pathToFileURL(path).href)) as { readonly [name: string]: unknown }
  } catch (thrown) {
    throw WaggleError.from('WAGGLE_INVALID_MODULE', thrown, {
      message: `The module of ${bee}, ${path}, cannot be loaded`,
      next: 'Correct it, or the path in spec.file.',
    })
  }
}
