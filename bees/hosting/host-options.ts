import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { LineOrigin } from '../../topology/swarm/ports/processes.ts'
import type { PublishedParts } from '../../topology/swarm/ports/published-parts.ts'
import type { Tracing } from '../../topology/swarm/ports/tracing.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeContext, BeePorts } from '../define-bee.ts'
import type { BeeRegistry } from '../registry.ts'

/** The bees of one swarm, and the services that their types' `create` gets. */
export interface HostOptions {
  readonly swarm: string
  readonly registry: BeeRegistry
  readonly ports: BeePorts
  readonly bees: readonly SwarmBee[]
  /** The spec of a bee with the values of its secrets. The specs in `bees` contain only the names of secrets. */
  readonly specOf: (bee: SwarmBee) => SwarmBee['spec']
  /** The place `file:line:col` in the swarm file that caused an error while a bee opens. */
  readonly fileAndLineOf: (bee: SwarmBee, error: WaggleError) => string
  readonly now: () => number
  /** Calls `act` once, after `ms`. The returned function cancels the call. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly resolve: BeeContext<never>['resolve']
  readonly resolveCommand: (image: string) => readonly string[] | null
  /** Takes the parts that bees publish. Default: callers get no parts before the result. */
  readonly parts?: PublishedParts
  /** Hides the secrets of a bee in a part. Default: a part is not changed. */
  readonly redactPart?: (bee: SwarmBee, part: Payload) => Payload
  /** Bees that were created already, by name. */
  readonly made?: ReadonlyMap<string, Bee<unknown, unknown>>
  /** Records the calls of bees as spans. Undefined: no spans are recorded. */
  readonly tracing?: Tracing
  readonly log: (bee: string, level: 'debug' | 'info' | 'warn' | 'error', message: string, origin?: LineOrigin) => void
}
