import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeContext, BeePorts } from '../define-bee.ts'
import type { BeeRegistry } from '../registry.ts'

/** The bees of one swarm, and what their types' `create` gets from outside. */
export interface HostOptions {
  readonly swarm: string
  readonly registry: BeeRegistry
  readonly ports: BeePorts
  readonly bees: readonly SwarmBee[]
  /** The spec of a bee with its secrets. Nothing else of `bees` has them. */
  readonly specOf: (bee: SwarmBee) => SwarmBee['spec']
  /** The place in the file, `file:line:col`, that an error of opening a bee is about. */
  readonly fileAndLineOf: (bee: SwarmBee, error: WaggleError) => string
  readonly now: () => number
  /** Calls `act` once, after `ms`. The returned function cancels the call. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly resolve: BeeContext<never>['resolve']
  readonly resolveCommand: (image: string) => readonly string[] | null
  /** Bees that were created already, by name. */
  readonly made?: ReadonlyMap<string, Bee<unknown, unknown>>
  readonly log: (bee: string, level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}
