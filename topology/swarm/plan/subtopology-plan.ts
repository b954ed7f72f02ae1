import type { Cut } from './cuts.ts'

export interface SubtopologyPlan {
  readonly id: number
  readonly bees: readonly string[]
  readonly sources: readonly string[]
  readonly sinks: readonly string[]
  readonly stores: readonly string[]
  readonly cut: Cut
  /** The steps, parents before children. */
  readonly steps: readonly Step[]
}

/** One node of the planned graph. `parents` are names of earlier steps. */
export type Step = { readonly name: string; readonly parents: readonly string[] } & (
  | { readonly kind: 'source'; readonly topics: readonly string[] }
  /** Gives requests their ids, and tells the ledger about them through the accepted topic. */
  | { readonly kind: 'accept'; readonly gateway: string; readonly bee: string }
  /** `batches`: the batch bees that the bee reads. The bee's own batches keep the limits of all these batch bees. */
  | { readonly kind: 'call'; readonly bee: string; readonly batches: readonly string[] }
  | { readonly kind: 'value'; readonly bee: string }
  /**
   * Takes the records that branches send to the bee. `names`: the bee, and batches through which it reads. A record of another branch becomes a mark
   * of a branch that was not taken. But such a record is dropped if a loop sent it, because the bee gets its record in a later round.
   */
  | { readonly kind: 'branch'; readonly bee: string; readonly names: readonly string[]; readonly loops: readonly string[] }
  | { readonly kind: 'merge'; readonly bee: string; readonly store: string; readonly inputs: readonly JoinInput[] }
  /** `body`: the readers that begin a round. `exits`: the readers after the last round. */
  | { readonly kind: 'loop'; readonly bee: string; readonly body: readonly string[]; readonly exits: readonly string[] }
  /** Gives each record a hash of a cache's input as key. */
  | { readonly kind: 'cache-key'; readonly bee: string }
  | {
      readonly kind: 'cache'
      readonly bee: string
      readonly store: string
      readonly body: readonly string[]
      readonly exits: readonly string[]
      readonly partitions: number
    }
  /** The steps that the bee itself adds, with their stores. */
  | { readonly kind: 'stream'; readonly bee: string }
  | { readonly kind: 'deduplicate'; readonly store: string }
  | {
      readonly kind: 'join'
      readonly bee: string
      readonly store: string
      readonly inputs: readonly JoinInput[]
    }
  /** Tells the ledger about each request that leaves the bee without an answer (`unansweringBees`). `isStack`: the bee reads several topics as they come. */
  | { readonly kind: 'unanswered'; readonly bee: string; readonly isStack: boolean; readonly body: readonly string[] }
  /** `ways`: for each gateway, the number of ways by which an answer to its requests may come. */
  | { readonly kind: 'ledger'; readonly store: string; readonly waitsFor: readonly string[]; readonly ways: ReadonlyMap<string, number> }
  | { readonly kind: 'sink'; readonly topic: string }
  /** Writes to a topic of another application. */
  | { readonly kind: 'output'; readonly bee: string; readonly topic: string }
)

/** An input of a join. A record's topic tells which input it is. */
export interface JoinInput {
  readonly name: string
  readonly topic: string
}
