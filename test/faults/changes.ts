import type { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'

/** The kinds of changes. In an `… in update` the process goes while a change of version is under way. */
export const changeKinds = ['update', 'rollback', 'SIGTERM', 'kill -9', 'SIGTERM in update', 'kill -9 in update', 'cut streams'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** One change, as the seed draws it. Numbers from 0 up to 1 choose among what there is at that time. */
export interface Change {
  readonly kind: ChangeKind
  /** Chooses the process that goes, or that is asked for the update. */
  readonly process: number
  /** Chooses the process that leads the update in which another one goes. */
  readonly leader: number
  /** Chooses the time from the begin of an update until a process goes. */
  readonly delay: number
}

/** The changes of a seed: each kind once in a random order, then each kind once more, and so on. So few changes have all kinds among them. */
export function* changesOf(random: SimulatedRandom): Generator<Change, never> {
  for (;;) {
    const left: ChangeKind[] = [...changeKinds]
    while (left.length > 0) {
      const [kind] = left.splice(random.below(left.length), 1)
      if (kind !== undefined) yield { kind, process: random.next(), leader: random.next(), delay: random.next() }
    }
  }
}
