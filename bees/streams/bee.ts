import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { loadBeeWithSteps } from '../module/load-bee.ts'

export default defineBee({
  type: 'streams',
  role: 'stream',
  summary: 'Your own steps of the DSL: keyed counts, windows and joins inside of the swarm, in a module that exports `connect`.',
  delivery:
    'Stores and outputs are in the commit of the input: exactly once on the embedded log and where processing is exactly_once, else at least once. A store is a cache of its changelog.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The module, relative to the swarm file.' }),
      bee: Type.Optional(
        Type.String({
          default: 'default',
          description: 'The export to use: { connect(input, builder) }, which returns a stream by request id, or null.',
        }),
      ),
    },
    { additionalProperties: false, required: ['file'] },
  ),
  examples: [{ file: './count-by-card.ts' }],
  keepsInput: true,
  async check({ spec, resolve, ports }) {
    return ports.programs.checkModule({ path: await resolve(spec.file), export: spec.bee ?? 'default' })
  },
  codeFiles: ({ file }) => [file],
  create: async ({ spec, resolve }) => {
    return loadBeeWithSteps({ path: await resolve(spec.file), export: spec.bee ?? 'default' })
  },
})
