import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { ReplicaRange } from './replica-rule.ts'
import { type Replica, type ReplicaCounts, Replicas, type ReplicasOptions } from './replicas.ts'

interface BeeReplicasOptions extends Pick<ReplicasOptions<Replica>, 'now' | 'after'> {
  readonly log: (bee: string, level: 'info' | 'warn', message: string) => void
  /** The least number of replicas that the bee's spec asks for. */
  readonly least: number
}

/**
 * The replicas of one bee in this process, and the times that its rows have waited. These times decide when replicas are added and removed. A bee
 * with several versions of a model has one group of replicas for each version.
 */
export class BeeReplicas {
  readonly range: ReplicaRange
  readonly #bee: string
  readonly #options: BeeReplicasOptions
  readonly #groups = new Set<Replicas<Replica>>()
  /** The numbers of changes in closed groups. */
  #past = { grown: 0, shrunk: 0, takenBack: 0, failed: 0 }
  #waited = { rows: 0, ms: 0 }

  constructor({ name, replicas, maxReplicas }: Pick<SwarmBee, 'name' | 'replicas' | 'maxReplicas'>, options: BeeReplicasOptions) {
    this.#bee = name
    const min = Math.max(replicas, options.least)
    this.range = { min, max: Math.max(min, maxReplicas) }
    this.#options = options
  }

  async open<T extends Replica>(open: () => Promise<T>): Promise<Replicas<T>> {
    const { now, after, log } = this.#options
    let group: Replicas<T> | null = null
    group = await Replicas.open({
      bee: this.#bee,
      range: this.range,
      open,
      waited: () => ({ ...this.#waited }),
      now,
      after,
      log: (level, message) => log(this.#bee, level, message),
      closed: (counts) => {
        // `group` is null if the group closes because it could not be opened.
        if (group !== null) this.#groups.delete(group)
        this.#past = sumOf(this.#past, counts.changes)
      },
    })
    this.#groups.add(group)
    return group
  }

  /** Adds the times that records have waited since they were written. */
  waited(calls: readonly { readonly timestamp: number }[]): void {
    if (this.range.max === this.range.min) return
    const now = this.#options.now()
    const ms = calls.reduce((sum, { timestamp }) => sum + Math.max(0, now - timestamp), 0)
    this.#waited = { rows: this.#waited.rows + calls.length, ms: this.#waited.ms + ms }
  }

  /** The number of calls that this bee computes at the same time; null for a bee that opens no replicas. */
  get count(): number | null {
    return this.#groups.size === 0 ? null : Math.max(...[...this.#groups].map(({ count }) => count))
  }

  /** The counts of all groups together; null for a bee that opens no replicas. */
  get counts(): ReplicaCounts | null {
    if (this.#groups.size === 0) return null
    const all = [...this.#groups].map(({ counts }) => counts)
    return {
      replicas: all.reduce((sum, { replicas }) => sum + replicas, 0),
      changes: all.reduce((sum, { changes }) => sumOf(sum, changes), this.#past),
    }
  }
}

type Changes = ReplicaCounts['changes']

function sumOf(one: Changes, other: Changes): Changes {
  return {
    grown: one.grown + other.grown,
    shrunk: one.shrunk + other.shrunk,
    takenBack: one.takenBack + other.takenBack,
    failed: one.failed + other.failed,
  }
}
