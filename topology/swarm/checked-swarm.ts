import type { BeeTypeInfo } from './bee-type.ts'
import type { SwarmDocument } from './swarm-document.ts'

/** A swarm whose file has no mistakes. The planner relies on the check of the file. */
export interface CheckedSwarm {
  readonly name: string
  readonly document: SwarmDocument
  /** The bees in the file's order. */
  readonly bees: readonly SwarmBee[]
}

export type BeeInput = { readonly kind: 'name' | 'join' | 'stack'; readonly bees: readonly string[] }

export interface SwarmBee {
  readonly name: string
  readonly type: BeeTypeInfo
  /** The bee's input; null for a gateway. */
  readonly input: BeeInput | null
  readonly spec: { readonly [key: string]: unknown }
  readonly gpu: number
  readonly replicas: number
  readonly maxReplicas: number
  readonly timeoutMs: number | null
  readonly onTimeout: 'fail' | 'partial'
  readonly onError: 'fail' | 'skip'
  /** The name of the bee that this bee shadows. */
  readonly shadows?: string
}

/** The topic of another application that a bee reads or writes; null if the bee has no such topic. */
export function topicOf({ type, spec }: SwarmBee): string | null {
  return (type.role === 'gateway' || type.role === 'output') && typeof spec.topic === 'string' ? spec.topic : null
}

/** The gateway's name in its topic and its routes. */
export function gatewayOf(bee: SwarmBee): string {
  return typeof bee.spec.name === 'string' ? bee.spec.name : bee.name
}

/**
 * The bee that makes the records which readers of `name` get. If `name` is a batch, or a bee that passes its input on, the records come from the bee
 * before it.
 */
export function feederOf({ bees }: Pick<CheckedSwarm, 'bees'>, name: string): SwarmBee | undefined {
  let bee = bees.find((one) => one.name === name)
  while (bee !== undefined && isLookedThrough(bee)) {
    const [source] = bee.input?.bees ?? []
    bee = bees.find((one) => one.name === source)
  }
  return bee
}

/** Finds the bees that read a bee. A batch, and a bee that passes its input on, is replaced by its readers. */
export function readersIn(bees: readonly SwarmBee[]): (name: string) => readonly SwarmBee[] {
  const direct = new Map<string, SwarmBee[]>()
  for (const bee of bees) {
    for (const name of bee.input?.bees ?? []) {
      const known = direct.get(name)
      if (known === undefined) direct.set(name, [bee])
      else known.push(bee)
    }
  }
  const readersOf = (name: string): readonly SwarmBee[] =>
    (direct.get(name) ?? []).flatMap((bee) => (isLookedThrough(bee) ? readersOf(bee.name) : [bee]))
  return readersOf
}

function isLookedThrough({ type, input }: SwarmBee): boolean {
  return type.role === 'batch' || (type.passesInput && input?.kind === 'name')
}
