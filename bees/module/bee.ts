import { Type } from 'typebox'
import { defineBee } from '../define-bee.ts'
import { loadBee, loadMs, withoutSteps } from './load-bee.ts'
import { openThreadedBee } from './threaded-bee.ts'

export default defineBee({
  type: 'module',
  summary: 'Your own TypeScript or JavaScript, in this process or in threads of it.',
  delivery: 'Called again for what no commit holds after a crash: keep it free of effects, or make them idempotent by request id.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The module, relative to the swarm file.' }),
      bee: Type.Optional(
        Type.String({
          default: 'default',
          description: 'The export to use: a function (input, request) => output, or { process } or { processBatch }.',
        }),
      ),
      workers: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 64,
          description:
            'Threads that run the module side by side, each with a copy of it. Without it the module runs in the thread of the process, and blocks it while it computes.',
        }),
      ),
    },
    { additionalProperties: false, required: ['file'] },
  ),
  examples: [{ file: './clean-text.ts' }],
  async check({ spec, resolve, ports }) {
    return ports.programs.checkModule({ path: await resolve(spec.file), export: spec.bee ?? 'default' })
  },
  create: async ({ spec, bee, resolve, log }) => {
    const module = { path: await resolve(spec.file), export: spec.bee ?? 'default' }
    return spec.workers === undefined
      ? withoutSteps(await loadBee(module, loadMs))
      : openThreadedBee({ module, bee, log: (line) => log('error', line) }, spec.workers)
  },
})
