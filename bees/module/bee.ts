import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { loadBee } from './load-bee.ts'

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
  async check({ spec, resolve, ports }) {
    await ports.programs.checkModule({ path: await resolve(spec.file), export: spec.bee ?? 'default' })
  },
  create: async ({ spec, resolve }) => loadBee({ path: await resolve(spec.file), export: spec.bee ?? 'default' }),
})
