import type { Static, TSchema } from 'typebox'
import type { BatchPolicy } from '../topology/async-step.ts'
import type { Header } from '../topology/record.ts'
import type { BeeRole, BeeTypeInfo, PayloadType } from '../topology/swarm/bee-type.ts'
import type { BeeError, Tensor } from '../topology/swarm/payload.ts'
import type { Database } from '../topology/swarm/ports/database.ts'
import type { Models } from '../topology/swarm/ports/models.ts'
import type { Processes } from '../topology/swarm/ports/processes.ts'
import type { WaggleError } from '../topology/waggle-error.ts'

/** What bees reach the world through; `ops` injects what implements it. Open for declaration merging, so that a package can bring its own. */
export interface BeePorts {
  readonly models: Models
  readonly processes: Processes
  readonly database: Database
}

export interface BeeContext<Spec> {
  readonly swarm: string
  readonly bee: string
  readonly spec: Spec
  readonly gpu: number
  readonly ports: BeePorts
  now(): number
  /** A local path for what the swarm names, or WAGGLE_NOT_RESOLVED. */
  resolve(uri: string): Promise<string>
  /** A command (and its arguments) that stands in for a container image here; null where the image itself is to run. */
  resolveCommand(image: string): readonly string[] | null
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void
}

/** What there is of a `BeeContext` while a file is checked. */
export type BeeCheckContext<Spec> = Pick<BeeContext<Spec>, 'bee' | 'spec' | 'resolve'> & { readonly ports: Pick<BeePorts, 'models'> }

/** The request that an input belongs to. */
export interface BeeRequest {
  readonly id: string
  readonly headers: readonly Header[]
  /** Of the input, where it is bytes; `application/json` and `application/vnd.waggle.tensors` else. */
  readonly contentType: string
  /** Epoch milliseconds. */
  readonly deadline: number | null
  readonly signal: AbortSignal
  readonly attempt: number
  /** Where the input was read, and how the bee that made it fared. */
  readonly source: {
    readonly bee: string
    readonly topic: string
    readonly partition: number
    readonly offset: bigint
    readonly timestamp: number
    readonly startedAt: number | null
    readonly finishedAt: number | null
    readonly batchSize: number | null
  }
}

/**
 * What a bee is given: a JSON value as it is, bytes as Uint8Array, tensors as `{ tensors }`, and after a `join` an object of
 * these by bee, with an `ErrorInput` where a bee failed.
 */
export interface TensorsInput {
  readonly tensors: { readonly [name: string]: Tensor }
}
export class ErrorInput {
  readonly error: BeeError
  constructor(error: BeeError) {
    this.error = error
  }
}
/** What a bee may give for bytes of a certain media type; bare Uint8Array is application/octet-stream. */
export interface BytesOutput {
  readonly contentType: string
  readonly bytes: Uint8Array
}

export type Bee<In, Out> = { close?(): Promise<void> } & (
  | { process(input: In, request: BeeRequest): Out | Promise<Out> }
  | { processBatch(inputs: readonly In[], requests: readonly BeeRequest[]): Promise<readonly (Out | WaggleError)[]> }
)

export interface BeeDefinition<S extends TSchema, In, Out> {
  type: string
  aliases?: readonly string[]
  /** `call` unless said otherwise. */
  role?: BeeRole
  summary: string
  spec: S
  examples?: readonly Static<S>[]
  /** Prose: what becomes of a request on a crash, a replay, a duplicate. */
  delivery: string
  /** Of role `batch` only. */
  batch?(spec: Static<S>): BatchPolicy
  /** Held against what feeds it (by name or stack), and what it feeds, when a swarm is checked. */
  input?: PayloadType
  output?: PayloadType
  /** Looks at what the spec names (a model's shapes) before anything runs, and throws what does not fit. */
  check?(context: BeeCheckContext<Static<S>>): Promise<void>
  /** It changes nothing of what it is given, ever, so it needs no copy of its own. */
  keepsInput?: true
  /** Not for `gateway` and `batch`, which the planner itself understands. */
  create?(context: BeeContext<Static<S>>): Bee<In, Out> | Promise<Bee<In, Out>>
}

/** A defined bee type: what the planner reads, and what the host opens. */
export interface BeeType extends BeeTypeInfo {
  readonly definition: BeeDefinition<TSchema, never, unknown>
}

/** The one way to make a bee type; the built-in ones use nothing that others cannot. */
export function defineBee<S extends TSchema, In, Out>(definition: BeeDefinition<S, In, Out>): BeeType {
  return {
    type: definition.type,
    aliases: definition.aliases ?? [],
    role: definition.role ?? 'call',
    summary: definition.summary,
    delivery: definition.delivery,
    spec: definition.spec,
    input: definition.input ?? null,
    output: definition.output ?? null,
    examples: definition.examples ?? [],
    definition: definition as unknown as BeeDefinition<TSchema, never, unknown>,
  }
}
