import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'

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
      image: Type.Optional(Type.String({ minLength: 1, description: 'A container image that runs the file in place of this machine’s Python.' })),
      requirements: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'A requirements.txt or pyproject.toml, relative to the swarm file. Default: one of them beside the file, if there is one.',
        }),
      ),
      workers: Type.Optional(Type.Integer({ minimum: 1, maximum: 64, description: 'Processes that run the bee side by side. Default: 1.' })),
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
  async create({ spec, swarm, bee, resolve, ports, log }) {
    refuseImage(spec.image, bee)
    const open = await ports.python.open({
      swarm,
      bee,
      file: await resolve(spec.file),
      name: spec.bee,
      requirements: spec.requirements === undefined ? null : await resolve(spec.requirements),
      workers: spec.workers ?? 1,
      env: spec.env ?? {},
      log,
    })
    return processBee(open)
  },
})

function refuseImage(image: string | undefined, bee: string): void {
  if (image === undefined) return
  throw new WaggleError('WAGGLE_NOT_RESOLVED', {
    message: `${bee} is a Python file in the image ${image}, and images do not run Python files yet`,
    next: 'Leave spec.image out: the file then runs with the python3 of this machine. Or make it a container bee, whose image has the file.',
  })
}
