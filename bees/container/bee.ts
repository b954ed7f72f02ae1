import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BeeContext, defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'
import { replicatedProcess } from '../replicas/replicated-process.ts'
import { type BoundSpec, boundsMistake, boundsOf, boundsRemarks, boundsSpec, processBounds } from './container-bounds.ts'
import { missingImage } from './missing-image.ts'

export default defineBee({
  type: 'container',
  role: 'call',
  keepsInput: true,
  mayAnswer: true,
  givesParts: true,
  summary:
    'Your own program in any language, in a container of its own or as a process of this machine: it speaks bees/PROTOCOL.md on its standard streams or on a socket.',
  delivery: 'Sent again, with its attempt, for what no commit holds after a crash: keep effects idempotent by request_id.',
  spec: Type.Object(
    {
      image: Type.Optional(
        Type.String({
          minLength: 1,
          description: 'The container image, which is pulled if it is not here. resolve: in waggle.yaml may map it to a command of this machine.',
        }),
      ),
      container: Type.Optional(Type.String({ minLength: 1, description: 'Another name for image.' })),
      command: Type.Optional(
        Type.Array(Type.String({ minLength: 1 }), {
          minItems: 1,
          description: 'The arguments of the image’s entry point; default: its own. Without an image: a program of this machine and its arguments.',
        }),
      ),
      env: Type.Optional(
        Type.Record(Type.String({ pattern: '^[^=\\u0000-\\u001f\\u007f]+$' }), Type.String(), {
          additionalProperties: false,
          description: 'Environment variables of the program. A name is not empty and has neither = nor control characters.',
        }),
      ),
      ...boundsSpec,
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  examples: [
    { image: 'localhost:32000/scikit-teddy:latest' },
    { image: 'registry.example/svm:1.4', command: ['predict.py'], memory: '512m', cpus: 0.5, network: true },
  ],
  async check({ spec, bee, ports, resolveCommand }) {
    const { image, command } = programOf(spec, bee, resolveCommand)
    if (command !== null && image === null) await ports.programs.checkCommand(command, spec.env ?? {})
    const mistake = boundsMistake(spec, bee)
    if (mistake !== null) throw mistake
    if (image === null) return { remarks: boundsRemarks(spec, bee) }
    const isHere = await ports.programs.hasImage(image, bee)
    if (isHere !== true) throw missingImage(bee, image, isHere)
    return undefined
  },
  async create(context) {
    const { spec, swarm, bee, ports, log, gpu, resolveCommand, replicate } = context
    const { image, command } = programOf(spec, bee, resolveCommand)
    const env = spec.env ?? {}
    const mistake = boundsMistake(spec, bee)
    if (mistake !== null) throw mistake
    if (image === null) for (const { message, next } of boundsRemarks(spec, bee)) log('warn', `${message}. ${next}`)
    const group = {}
    const open =
      image === null
        ? () => ports.processes.open({ swarm, bee, command: command ?? [], env, group, log, ...processBounds(spec) })
        : () => ports.containers.open({ swarm, bee, image, command, env, group, log, gpu, ...boundsOf(spec) })
    return processBee(replicatedProcess(await replicate(open)))
  },
})

interface ContainerSpec extends BoundSpec {
  readonly image?: string
  readonly container?: string
  readonly command?: readonly string[]
}

/** The program of a bee. It runs in a container of `image`. If `image` is null, it runs as a process of this machine. */
type Program = { readonly image: string; readonly command: readonly string[] | null } | { readonly image: null; readonly command: readonly string[] }

/**
 * The program of a spec. An entry of `resolve:` for the image replaces the image and its command. Throws WAGGLE_NOT_RESOLVED for a spec without an
 * image and without a command.
 */
function programOf({ image: named, container, command }: ContainerSpec, bee: string, resolveCommand: BeeContext<never>['resolveCommand']): Program {
  const image = named ?? container
  if (image !== undefined) {
    const resolved = resolveCommand(image)
    return resolved === null ? { image, command: command ?? null } : { image: null, command: resolved }
  }
  if (command !== undefined) return { image: null, command }
  throw new WaggleError('WAGGLE_NOT_RESOLVED', { message: `${bee} names no image`, next: 'Give spec.image.' })
}
