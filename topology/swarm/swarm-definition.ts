/** The input of a bee: one bee, several bees that are joined, or several bees whose outputs come one by one. */
export type Input = { readonly name: string } | { readonly join: readonly string[] } | { readonly stack: readonly string[] }

/** A swarm as a value, key for key as in a swarm file. */
export interface SwarmDefinition {
  readonly name: string
  readonly bees: readonly DefinedBee[]
}

/** One bee of a `SwarmDefinition`. `type` is the name of a bee type, or the result of `defineBee`. */
export interface DefinedBee {
  readonly name: string
  readonly type: string | { readonly type: string }
  readonly input?: Input
  readonly spec?: object
  readonly gpu?: number
  readonly replicas?: number
  readonly max_replicas?: number
  readonly timeout_seconds?: number
  readonly on_timeout?: 'fail' | 'partial'
  readonly on_error?: 'fail' | 'skip'
}
