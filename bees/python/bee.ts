import { dirname, join } from 'node:path'
import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BoundSpec, boundsMistake, boundsOf, boundsRemarks, boundsSpec, processBounds } from '../container/container-bounds.ts'
import { missingImage } from '../container/missing-image.ts'
import { type BeeContext, type BeeRemark, defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'
import { replicatedProcess } from '../replicas/replicated-process.ts'

export default defineBee({
  type: 'python',
  role: 'call',
  keepsInput: true,
  mayAnswer: true,
  givesParts: true,
  summary: 'Your own Python, in processes of its own and an environment of its own.',
  delivery: 'Called again, with a higher attempt, for what no commit holds after a crash: keep effects idempotent by the request id.',
  spec: Type.Object(
    {
      file: Type.String({ minLength: 1, description: 'The Python file or notebook (.ipynb), relative to the swarm file.' }),
      bee: Type.String({ minLength: 1, description: 'The name that @register_bee gives the function.' }),
      image: Type.Optional(
        Type.String({
          minLength: 1,
          description:
            'A container image whose python3 runs the file, with the packages that the image has. It is pulled if it is not here. resolve: in waggle.yaml may map it to a command of this machine that takes the place of python3.',
        }),
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
      ...boundsSpec,
    },
    { additionalProperties: false, required: ['file', 'bee'] },
  ),
  examples: [
    { file: './hello.py', bee: 'hello' },
    { file: './predict.py', bee: 'predict', image: 'python:3.13-slim', memory: '512m' },
  ],
  async check({ spec, bee, resolve, resolveCommand, ports }) {
    const { image, command } = placeOf(spec, bee, resolveCommand)
    const requirements = spec.requirements === undefined ? null : await resolve(spec.requirements)
    const runsElsewhere = image !== null || command !== null
    const file = { file: await resolve(spec.file), name: spec.bee, requirements, env: spec.env ?? {}, runsElsewhere }
    const { missing, ...types } = await ports.programs.checkPython(file)
    if (image === null) return { ...types, remarks: [...boundsRemarks(spec, bee), ...(missing === undefined ? [] : [notImported(bee, missing)])] }
    const isHere = await ports.programs.hasImage(image, bee)
    if (isHere !== true) throw missingImage(bee, image, isHere)
    return undefined
  },
  codeFiles: ({ file, requirements }) =>
    requirements === undefined ? [file, ...['requirements.txt', 'pyproject.toml'].map((name) => join(dirname(file), name))] : [file, requirements],
  leastReplicas: ({ workers }) => workers ?? 1,
  async create({ spec, swarm, bee, resolve, resolveCommand, ports, gpu, replicas, replicate, log }) {
    const { image, command } = placeOf(spec, bee, resolveCommand)
    if (image === null) for (const { message, next } of boundsRemarks(spec, bee)) log('warn', `${message}. ${next}`)
    const file = await resolve(spec.file)
    const requirements = spec.requirements === undefined ? null : await resolve(spec.requirements)
    const place =
      image !== null
        ? { image: { image, gpu, ...boundsOf(spec) } }
        : { ...(command === null ? {} : { interpreter: command }), ...processBounds(spec) }
    const group = {}
    const open = (workers: number) =>
      ports.python.open({ swarm, bee, file, name: spec.bee, requirements, workers, env: spec.env ?? {}, group, log, ...place })
    // If the number of workers is fixed and the workers need no container, one pool contains all workers. Otherwise each replica is a pool with one
    // worker. In both cases a call goes to any free worker.
    const isPool = image === null && replicas.max === replicas.min
    return processBee(isPool ? await open(replicas.min) : replicatedProcess(await replicate(() => open(1))))
  },
})

/** The warning for a file that cannot be imported on this machine. */
function notImported(bee: string, missing: string): BeeRemark {
  return {
    kind: 'warning',
    setting: 'file',
    message: `the file of ${bee} cannot be imported here, so its types are unknown: ${missing}`,
    next: 'Install the package, or name it in a requirements.txt beside the file.',
  }
}

interface PlaceSpec extends BoundSpec {
  readonly image?: string
  readonly requirements?: string
}

/**
 * The place where the file runs: a container of `image`, or else `command`, which replaces the image on this machine. If both are null, the python3
 * of this machine runs the file.
 */
function placeOf(
  spec: PlaceSpec,
  bee: string,
  resolveCommand: BeeContext<never>['resolveCommand'],
): { readonly image: string | null; readonly command: readonly string[] | null } {
  const { image: named, requirements } = spec
  const mistake = boundsMistake(spec, bee)
  if (mistake !== null) throw mistake
  if (named === undefined) return { image: null, command: null }
  if (requirements !== undefined)
    throw new WaggleError('WAGGLE_INVALID_SWARM', {
      message: `${bee} has an image and requirements, and an image has its packages already`,
      next: `Leave spec.requirements out, and install the packages in the image ${named}.`,
    })
  const command = resolveCommand(named)
  return { image: command === null ? named : null, command }
}
