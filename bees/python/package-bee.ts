import type { TSchema } from 'typebox'
import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import type { LockedWheel } from '../../topology/swarm/ports/python.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type BeeType, defineBee } from '../define-bee.ts'
import { processBee } from '../process-bee.ts'
import { replicatedProcess } from '../replicas/replicated-process.ts'

/** A bee type as the Python function of a package declares it. */
export interface PackageBeeDeclaration {
  readonly summary: string
  readonly delivery: string
  /** The JSON Schema of the spec. */
  readonly spec: { readonly [key: string]: unknown }
  readonly examples: readonly { readonly [key: string]: unknown }[]
  /** The types of the function's annotations. */
  readonly input?: PayloadType
  readonly output?: PayloadType
}

export interface PackageBeeOptions {
  readonly type: string
  readonly module: string
  readonly wheels: readonly LockedWheel[]
  /** The path of the lock file. */
  readonly lock: string
  readonly declaration: PackageBeeDeclaration
}

/** A bee type whose code is a function of a Python package. Each bee of the type has processes of its own. */
export function packageBee({ type, module, wheels, lock, declaration }: PackageBeeOptions): BeeType {
  const { summary, delivery, spec: schema, examples, input, output } = declaration
  return defineBee({
    type,
    role: 'call',
    keepsInput: true,
    mayAnswer: true,
    givesParts: true,
    summary,
    delivery,
    spec: schema as TSchema,
    examples,
    ...(input === undefined ? {} : { input }),
    ...(output === undefined ? {} : { output }),
    async create({ spec, swarm, bee, ports, replicas, replicate, log }) {
      const env = { WAGGLE_BEE_SPEC: specText(bee, spec) }
      const group = {}
      const open = (workers: number) => ports.python.openPackage({ swarm, bee, module, name: type, wheels, lock, workers, env, group, log })
      return processBee(replicas.max === replicas.min ? await open(replicas.min) : replicatedProcess(await replicate(() => open(1))))
    },
  })
}

/** The spec for an environment variable, of which Linux takes at most 128 KiB. */
function specText(bee: string, spec: unknown): string {
  const text = JSON.stringify(spec ?? {})
  if (Buffer.byteLength(text) <= maxSpecBytes) return text
  throw new WaggleError('WAGGLE_INVALID_SWARM', {
    message: `The spec of ${bee} has more than ${maxSpecBytes} bytes`,
    next: 'Put large values into a file, and let the spec name the file.',
  })
}

const maxSpecBytes = 100_000
