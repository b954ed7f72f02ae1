import type { TSchema } from 'typebox'

/**
 * The role of a bee type. The planner knows nothing else about the work of a bee:
 *  - `gateway`: an entrance without input. It reads the topic that its spec names, or else the topic of the gateway that its spec names
 *  - `batch`: adds no step, but sets the batch policy of the bees that read it
 *  - `call`: asynchronous: each input is a call for whose result the request waits (a model, a process, a module, a query)
 *  - `value`: synchronous: computes its output from its input in the stream thread, without waiting (an ensemble)
 *  - `merge`: passes on the first result of several bees for each request
 *  - `loop`: sends a request round and round through the bees that lead back to the loop, and then to the other readers
 *  - `cache`: sends a request to the readers behind the cache. If no result is known for the input, the request first goes through the bees that lead
 *    back to the cache
 *  - `stream`: adds steps of the DSL to the topology (keyed counts, windows, joins)
 *  - `respond`: answers the caller
 *  - `sink`: asynchronous, and has no output (a database)
 *  - `output`: writes to the topic of its spec and has no other output
 */
export type BeeRole = 'gateway' | 'batch' | 'call' | 'value' | 'merge' | 'loop' | 'cache' | 'stream' | 'respond' | 'sink' | 'output'

/** The roles whose bees also read records that their own output has caused. */
export const returningRoles: ReadonlySet<BeeRole> = new Set(['loop', 'cache'])

/** A JSON Schema, or tensors by name; -1 is a free dimension. */
export type PayloadType = TSchema | { readonly tensors: { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } } }

export interface BeeTypeInfo {
  readonly type: string
  readonly aliases: readonly string[]
  readonly role: BeeRole
  /** One sentence for reference pages. */
  readonly summary: string
  /** The guarantee for a request after a crash, a replay or a duplicate. */
  readonly delivery: string
  readonly spec: TSchema
  /** The type of the input and the output, if the bee type alone decides it; else null. */
  readonly input: PayloadType | null
  readonly output: PayloadType | null
  readonly examples: readonly unknown[]
  /** True if the output is always the input itself. */
  readonly passesInput: boolean
  /** True if the bee lets only some requests pass. */
  readonly isConditional: boolean
  /**
   * True if the bee may answer the caller itself. In a swarm without a `respond` bee, each such bee gives the answer unless another bee reads it
   * (`withAnswer`).
   */
  readonly mayAnswer: boolean
  /** True if the bee may publish parts of its result while it works. Default: false. */
  readonly givesParts?: boolean
  /** The readers between which a bee with this spec chooses; null if the bee's output goes to all its readers. The given spec may have mistakes. */
  branches?(spec: { readonly [key: string]: unknown }): readonly Branch[] | null
  /** The mistakes of a spec that its schema does not find. The given spec may have other mistakes too. */
  mistakes?(spec: { readonly [key: string]: unknown }): readonly SpecMistake[]
  /** The files of code that a bee with this spec runs, relative to the swarm's directory. Some may be missing. */
  codeFiles?(spec: { readonly [key: string]: unknown }): readonly string[]
  /** The spec of a second bee whose results are only saved (`withShadows`); null if there is no second bee. */
  shadow?(spec: { readonly [key: string]: unknown }): { readonly [key: string]: unknown } | null
}

/** A reader to which a bee sends a request under a condition. */
export interface Branch {
  readonly reader: string
  /** The condition; null for the default reader. */
  readonly when: string | null
  /** The place in the spec that names the reader. */
  readonly path: readonly (string | number)[]
}

export interface SpecMistake {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly next: string
}

/** The bee types that a swarm may name. */
export interface BeeCatalog {
  readonly types: readonly BeeTypeInfo[]
  /** Finds a bee type by its name or an alias. */
  find(type: string): BeeTypeInfo | null
}
