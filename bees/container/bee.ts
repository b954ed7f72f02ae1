import { Type } from 'typebox'
import { WaggleError } from '../../topology/waggle-error.ts'
import { defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'

export default defineBee({
  type: 'container',
  role: 'call',
  keepsInput: true,
  mayAnswer: true,
  summary: 'Your own program in any language: a process that speaks bees/PROTOCOL.md on its standard streams or on a socket.',
  delivery: 'Sent again, with its attempt, for what no commit holds after a crash: keep effects idempotent by request_id.',
  spec: Type.Object(
    {
      image: Type.Optional(
        Type.String({ minLength: 1, description: 'The container image. resolve: in waggle.yaml may map it to a command of this machine.' }),
      ),
      container: Type.Optional(Type.String({ minLength: 1, description: 'Another name for image.' })),
      command: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1, description: 'What runs in the image; default: its own.' })),
      env: Type.Optional(
        Type.Record(Type.String({ pattern: '^[^=\\u0000-\\u001f\\u007f]+$' }), Type.String(), {
          additionalProperties: false,
          description: 'Environment variables of the process. A name is not empty and has neither = nor control characters.',
        }),
      ),
    },
    { additionalProperties: false, minProperties: 1 },
  ),
  examples: [{ image: 'localhost:32000/scikit-teddy:latest' }],
  async check({ spec, bee, ports, resolveCommand }) {
    const image = spec.image ?? spec.container
    if (image !== undefined && resolveCommand(image) === null) throw notResolved(bee, image, await ports.programs.hasImage(image))
    await ports.programs.checkCommand(commandOf(spec, bee, resolveCommand), spec.env ?? {})
  },
  async create({ spec, swarm, bee, ports, log, resolveCommand }) {
    const open = await ports.processes.open({ swarm, bee, command: commandOf(spec, bee, resolveCommand), env: spec.env ?? {}, log })
    return processBee(open)
  },
})

interface ContainerSpec {
  readonly image?: string
  readonly container?: string
  readonly command?: readonly string[]
}

/** The command for the image: from the spec, or from this machine's `resolve:`. Throws WAGGLE_NOT_RESOLVED. */
function commandOf(spec: ContainerSpec, bee: string, resolveCommand: (image: string) => readonly string[] | null): readonly string[] {
  const image = spec.image ?? spec.container
  const command = image === undefined ? spec.command : resolveCommand(image)
  if (command === null || command === undefined) throw notResolved(bee, image)
  return command
}

/** `isThere`: Docker's answer about the image, if there was one. */
function notResolved(bee: string, image: string | undefined, isThere: boolean | null = null): WaggleError {
  return image === undefined
    ? new WaggleError('WAGGLE_NOT_RESOLVED', { message: `${bee} names no image`, next: 'Give spec.image.' })
    : new WaggleError('WAGGLE_NOT_RESOLVED', {
        message: `${bee} names the image ${image}, and this machine has no command for it${isThere === false ? '; its Docker has no such image either' : ''}`,
        next: `Add to waggle.yaml, beside the swarm: resolve: {"${image}": [program, argument]}. Containers themselves are not run yet.`,
      })
}
