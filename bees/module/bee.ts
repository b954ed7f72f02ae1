import { Type } from 'typebox'
import { type BeeRequest, defineBee } from '../define-bee.ts'
import { BeePrinter } from '../hosting/bee-printer.ts'
import { loadBeeWithoutSteps } from './load-bee.ts'
import { openThreadedBee } from './threaded-bee.ts'

export default defineBee({
  type: 'module',
  givesParts: true,
  summary: 'Your own TypeScript or JavaScript, in this process or in threads of it.',
  delivery: 'Called again for what no commit holds after a crash: keep it free of effects, or make them idempotent by the callId of the request.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The module, relative to the swarm file.' }),
      bee: Type.Optional(
        Type.String({
          default: 'default',
          description:
            'The export to use: a function (input, request) => output, or { process } or { processBatch }. A function or a process that is an async generator publishes parts.',
        }),
      ),
      workers: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 64,
          description:
            'The least number of threads that run the module side by side, each with a copy of it; as replicas says beside the spec. Without either the module runs in the thread of the process, and blocks it while it computes.',
        }),
      ),
    },
    { additionalProperties: false, required: ['file'] },
  ),
  examples: [{ file: './clean-text.ts' }],
  async check({ spec, resolve, ports }) {
    return ports.programs.checkModule({ path: await resolve(spec.file), export: spec.bee ?? 'default' })
  },
  codeFiles: ({ file }) => [file],
  leastReplicas: ({ workers }) => workers ?? 1,
  create: async ({ spec, bee, resolve, log, replicas, replicate, ports: { printing: port } }) => {
    const module = { path: await resolve(spec.file), export: spec.bee ?? 'default' }
    const isThreaded = spec.workers !== undefined || replicas.max > 1
    if (!isThreaded) return loadBeeWithoutSteps(module)
    const printing = port === undefined ? {} : { printing: { port, printer: (requests: readonly BeeRequest[]) => new BeePrinter(log, requests) } }
    return openThreadedBee({ module, bee, log: (line) => log('error', line), ...printing }, replicate)
  },
})
