import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'
import { replicatedProcess } from '../replicas/replicated-process.ts'

export default defineBee({
  type: 'python',
  role: 'call',
  keepsInput: true,
  mayAnswer: true,
  summary: 'Your own Python, in processes of its own and an environment of its own.',
  delivery: 'Called again, with a higher attempt, for what no commit holds after a crash: keep effects idempotent by the request id.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The Python file or notebook (.ipynb), relative to the swarm file.' }),
      bee: Type.String({ minLength: 1, description: 'The name that @register_bee gives the function.' }),
      image: Type.Optional(
        Type.String({ minLength: 1, description: 'A container image to run the file in. Images run no Python files yet, so it is an error.' }),
      ),
      requirements: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'A requirements.txt or pyproject.toml, relative to the swarm file. Default: one of them beside the file, if there is one.',
        }),
      ),
      workers: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 64,
          description: 'The least number of processes that run the bee side by side, as replicas says beside the spec. Default: 1.',
        }),
      ),
      env: Type.Optional(
        Type.Record(Type.String({ pattern: '^[^=\\u0000-\\u001f\\u007f]+$' }), Type.String(), {
          additionalProperties: false,
          description: 'Environment variables of the processes. A name is not empty and has neither = nor control characters.',
        }),
      ),
    },
    { additionalProperties: false, required: ['file', 'bee'] },
  ),
  examples: [{ file: './hello.py', bee: 'hello' }],
  async check({ spec, bee, resolve, ports }) {
    refuseImage(spec.image, bee)
    const requirements = spec.requirements === undefined ? null : await resolve(spec.requirements)
    await ports.programs.checkPython({ file: await resolve(spec.file), name: spec.bee, requirements })
  },
  leastReplicas: ({ workers }) => workers ?? 1,
  async create({ spec, swarm, bee, resolve, ports, replicas, replicate, log }) {
    refuseImage(spec.image, bee)
    const file = await resolve(spec.file)
    const requirements = spec.requirements === undefined ? null : await resolve(spec.requirements)
    const open = (workers: number) => ports.python.open({ swarm, bee, file, name: spec.bee, requirements, workers, env: spec.env ?? {}, log })
    // Processes of one pool take calls from each other. Where their number changes, each is a pool of its own.
    return processBee(replicas.max > replicas.min ? replicatedProcess(await replicate(() => open(1))) : await open(replicas.min))
  },
})

function refuseImage(image: string | undefined, bee: string): void {
  if (image === undefined) return
  throw new WaggleError('WAGGLE_NOT_RESOLVED', {
    message: `${bee} is a Python file in the image ${image}, and images do not run Python files yet`,
    next: 'Leave spec.image out: the file then runs with the python3 of this machine. Or make it a container bee, whose image has the file.',
  })
}
