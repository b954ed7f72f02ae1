import type { TSchema } from 'typebox'

/**
 * What the planner needs to know of a bee type; how it works stays with the bees.
 *  - `gateway`: an entrance; has no input. It reads the topic of its spec, else that of the gateway that its spec names
 *  - `batch`: no step of its own but a policy at the head of every sub-topology that reads it
 *  - `call`: takes time (a model, a process, a module, a query)
 *  - `value`: computes its output from its input at once (an ensemble)
 *  - `respond`: answers the caller
 *  - `sink`: takes time and gives nothing on (a database)
 *  - `output`: writes to the topic of its spec and gives nothing on
 */
export type BeeRole = 'gateway' | 'batch' | 'call' | 'value' | 'respond' | 'sink' | 'output'

/** A JSON Schema, or tensors by name; -1 is a free dimension. */
export type PayloadType = TSchema | { readonly tensors: { readonly [name: string]: { readonly dtype: string; readonly shape: readonly number[] } } }

export interface BeeTypeInfo {
  readonly type: string
  readonly aliases: readonly string[]
  readonly role: BeeRole
  /** One sentence for reference pages. */
  readonly summary: string
  /** What becomes of a request on a crash, a replay, a duplicate. */
  readonly delivery: string
  readonly spec: TSchema
  /** What it takes and gives, where that is known of the type alone. */
  readonly input: PayloadType | null
  readonly output: PayloadType | null
  readonly examples: readonly unknown[]
}

/** The bee types that a swarm may name. */
export interface BeeCatalog {
  readonly types: readonly BeeTypeInfo[]
  /** By type or alias. */
  find(type: string): BeeTypeInfo | null
}
