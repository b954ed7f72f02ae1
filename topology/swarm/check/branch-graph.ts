import { type BeeTypeInfo, returningRoles } from '../bee-type.ts'
import type { BeeInput, SwarmBee } from '../checked-swarm.ts'

/** A bee of a file that may have mistakes. */
export interface BranchingBee {
  readonly index: number
  readonly name: string
  readonly type: BeeTypeInfo | null
  readonly input: BeeInput | null
  readonly spec: { readonly [key: string]: unknown }
}

/** The bees of a swarm, and the ways between them. */
export class BranchGraph {
  readonly bees: readonly BranchingBee[]
  readonly #byName: ReadonlyMap<string, BranchingBee>
  readonly #readers = new Map<string, BranchingBee[]>()
  readonly #uncertain = new Map<string, boolean>()
  readonly #bodies = new Map<string, ReadonlySet<string>>()

  constructor(bees: readonly BranchingBee[]) {
    this.bees = bees
    this.#byName = new Map(bees.map((bee) => [bee.name, bee]))
    for (const bee of bees) {
      for (const from of new Set(bee.input?.bees)) {
        const known = this.#readers.get(from)
        if (known === undefined) this.#readers.set(from, [bee])
        else known.push(bee)
      }
    }
  }

  /** The graph of a swarm without mistakes. */
  static of(bees: readonly SwarmBee[]): BranchGraph {
    return new BranchGraph(bees.map((bee, index) => ({ ...bee, index })))
  }

  readersOf(name: string): readonly BranchingBee[] {
    return this.#readers.get(name) ?? []
  }

  /** These bees, and all bees that their outputs reach without passing `end`. */
  reachedFrom(names: readonly string[], end?: string): ReadonlySet<string> {
    const reached = new Set(names)
    // The iteration also visits names that are added to the set meanwhile.
    for (const one of reached) for (const reader of this.readersOf(one)) if (reader.name !== end) reached.add(reader.name)
    return reached
  }

  /** The bees through which a loop or a cache sends a request in each round; empty for any other bee. */
  bodyOf({ name, type, spec }: BranchingBee): ReadonlySet<string> {
    const known = this.#bodies.get(name)
    if (known !== undefined) return known
    const isReturning = type !== null && returningRoles.has(type.role)
    const body = isReturning
      ? this.reachedFrom(
          (type.branches?.(spec) ?? []).map(({ reader }) => reader),
          name,
        )
      : new Set<string>()
    this.#bodies.set(name, body)
    return body
  }

  /** The bees whose outputs reach this bee, without the bee itself. */
  leadingTo(name: string): ReadonlySet<string> {
    const leading = new Set(this.withFeeders([name]))
    leading.delete(name)
    return leading
  }

  /** These bees, and all bees whose outputs reach any of these. */
  withFeeders(names: readonly string[]): ReadonlySet<string> {
    const all = new Set(names)
    for (const one of all) for (const from of this.#byName.get(one)?.input?.bees ?? []) all.add(from)
    return all
  }

  /** The bees that a loop or a cache reaches and from which a way leads back to it; empty for any other bee. */
  insideOf(ring: BranchingBee): ReadonlySet<string> {
    const before = this.leadingTo(ring.name)
    return new Set([...this.bodyOf(ring)].filter((name) => before.has(name)))
  }

  /** True if some requests may not pass through this bee. */
  isUncertain(name: string): boolean {
    const way: string[] = []
    let at = this.#byName.get(name)
    let is = false
    while (at !== undefined && !is && !this.#uncertain.has(at.name)) {
      way.push(at.name)
      is = at.type?.isConditional ?? false
      this.#uncertain.set(at.name, is)
      const role = at.type?.role
      const isCertain = role === 'merge' || (role !== undefined && returningRoles.has(role))
      at = isCertain || at.input?.kind === 'join' ? undefined : this.#byName.get(at.input?.bees[0] ?? '')
    }
    const found = is || (at !== undefined && (this.#uncertain.get(at.name) ?? false))
    for (const one of way) this.#uncertain.set(one, found)
    return found
  }
}
