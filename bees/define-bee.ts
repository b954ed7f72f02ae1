import type { Static, TSchema } from 'typebox'
import type { BatchPolicy } from '../topology/async-step.ts'
import type { Header } from '../topology/record.ts'
import { aName, aSchema, optionsOf, parameters, refuseWrong } from '../topology/streams/argument-kinds.ts'
import type { KStream } from '../topology/streams/kstream.ts'
import type { StreamsBuilder } from '../topology/streams/streams-builder.ts'
import type { BeeRole, BeeTypeInfo, Branch, PayloadType, SpecMistake } from '../topology/swarm/bee-type.ts'
import type { ModelRow } from '../topology/swarm/log-management.ts'
import type { BeeError, Tensor } from '../topology/swarm/payload/payload.ts'
import type { Containers } from '../topology/swarm/ports/containers.ts'
import type { Database } from '../topology/swarm/ports/database.ts'
import type { HttpCalls } from '../topology/swarm/ports/http-calls.ts'
import type { ModelServers } from '../topology/swarm/ports/model-servers.ts'
import type { Models } from '../topology/swarm/ports/models.ts'
import type { Pictures } from '../topology/swarm/ports/pictures.ts'
import type { Postgres } from '../topology/swarm/ports/postgres.ts'
import type { Printing } from '../topology/swarm/ports/printing.ts'
import type { LineOrigin, Processes } from '../topology/swarm/ports/processes.ts'
import type { Programs } from '../topology/swarm/ports/programs.ts'
import type { PythonBees } from '../topology/swarm/ports/python.ts'
import type { WaggleError } from '../topology/waggle-error.ts'
import type { ReplicaRange } from './replicas/replica-rule.ts'
import type { Replica, Replicas } from './replicas/replicas.ts'

/**
 * The ports through which bees reach the outside world. `ops` injects the implementations. A package can add its own ports by declaration merging.
 */
export interface BeePorts {
  readonly models: Models
  readonly modelServers: ModelServers
  readonly pictures: Pictures
  readonly processes: Processes
  readonly containers: Containers
  readonly python: PythonBees
  readonly database: Database
  readonly postgres: Postgres
  readonly http: HttpCalls
  /** Connects printed lines with bees. Undefined: printed text goes to the streams of the process as it is. */
  readonly printing?: Printing
}

export interface BeeContext<Spec> {
  readonly swarm: string
  readonly bee: string
  /**
   * The bee that this bee shadows; undefined if this bee is no shadow. A shadow computes beside another bee, so that its results can be compared with
   * the results of that bee. No caller gets the results of a shadow.
   */
  readonly shadows?: string
  readonly spec: Spec
  /** The names of the bees that this bee reads. */
  readonly inputNames: readonly string[]
  /** The specs of all bees of the swarm, by name. Secrets appear by their names instead of their values. */
  readonly specs: ReadonlyMap<string, { readonly [key: string]: unknown }>
  readonly gpu: number
  /** The largest number of inputs in one call of `processBatch`. */
  readonly batchSize: number
  /** The least and the greatest number of replicas, as the swarm file says. */
  readonly replicas: ReplicaRange
  /**
   * Opens the replicas that do the bee's work, such as containers, processes or threads. Waggle keeps their number within `replicas`. A bee that does
   * not call `replicate` has one worker. For such a bee, `replicas` only sets the number of calls in flight.
   */
  replicate<T extends Replica>(open: () => Promise<T>): Promise<Replicas<T>>
  readonly ports: BeePorts
  now(): number
  /**
   * Findings about the bees that read this bee, by name. A batch is replaced by its readers. In a running swarm, call `readers` only while a request
   * is processed, because the bees of this process are open by then. A reader in another process is checked as by `waggle validate`, which may open
   * the reader's model.
   */
  readers(): Promise<ReadonlyMap<string, BeeFindings>>
  /**
   * The local path of a file that the swarm names, or of a folder if `kind` allows folders. With `fetch`, a file from elsewhere is copied to this
   * machine. Throws WAGGLE_NOT_RESOLVED if the file is not found.
   */
  resolve(uri: string, kind?: ResolvedKind, fetch?: FetchWish): Promise<string>
  /** The command, with its arguments, that replaces a container image on this machine; null if `resolve:` has no entry for the image. */
  resolveCommand(image: string): readonly string[] | null
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string, origin?: LineOrigin): void
}

export type ResolvedKind = 'file' | 'file or folder'

/** Options for a file that may have to be fetched from an object store, a web server or a package. */
export interface FetchWish {
  /** The SHA-256 that the file must have, in hexadecimal. */
  readonly sha256?: string
  /** The fetched file stays on this disk until this signal aborts. Default: until the process ends. */
  readonly until?: AbortSignal
  readonly log: BeeContext<never>['log']
}

/** The members of a `BeeContext` that exist while a swarm file is checked. */
export type BeeCheckContext<Spec> = Pick<BeeContext<Spec>, 'swarm' | 'bee' | 'spec' | 'specs' | 'readers' | 'resolve' | 'resolveCommand'> & {
  readonly ports: Pick<BeePorts, 'models' | 'postgres' | 'http'> & { readonly programs: Programs; readonly modelServers: Pick<ModelServers, 'open'> }
  /** Findings about the bees that this bee reads, by name. A bee of role `value` is checked after all others. */
  readonly inputs: ReadonlyMap<string, BeeFindings>
}

/**
 * The results of the check of a bee. `waggle validate` and `waggle plan` show the results. The check of a swarm also compares neighbouring bees with
 * them.
 */
export interface BeeFindings {
  /** A sentence about the bee without its subject: `takes … ; gives …`. */
  readonly summary?: string
  /** The same as `summary`, for programs. */
  readonly signature?: { readonly [key: string]: unknown }
  /** Labels of the scores that the bee outputs; null if the bee outputs no scores; undefined if the labels are unknown. */
  readonly labels?: readonly string[] | null
  /** The picture that the bee takes; undefined if the bee takes no picture, or if the picture is unknown. */
  readonly picture?: TakenPicture
  /** The type of the input that the bee takes, if the spec decides it. Default: the input type of the bee type. */
  readonly input?: PayloadType
  /** The type of the output, if the spec decides it. Default: the output type of the bee type. */
  readonly output?: PayloadType
  /** Remarks about the bee and its neighbours. */
  readonly remarks?: readonly BeeRemark[]
  /**
   * The reason why an output of this type cannot be the bee's input, as the end of a sentence. Null if the output fits, or if the type says too
   * little to decide.
   */
  misfit?(given: PayloadType): string | null
}

/** Information about a bee for its author. A mistake stops the swarm; a warning does not. */
export interface BeeRemark {
  readonly kind: 'mistake' | 'warning'
  /** The input that the remark is about; undefined for the bee itself. */
  readonly input?: string
  /** The setting of the spec that the remark is about. */
  readonly setting?: string
  readonly message: string
  /** The next step, as a sentence. */
  readonly next: string
}

/** The picture that a model takes. */
export interface TakenPicture {
  readonly datatype: string
  readonly layout: 'NHWC' | 'NCHW'
  readonly channels: 1 | 3
  /** The size in pixels; null if the model takes any size. */
  readonly size: { readonly height: number; readonly width: number } | null
  readonly fit: 'fill' | 'cover'
  /** True if the bee itself resizes any UINT8 [height, width, 3] to its input. */
  readonly isFitted: boolean
}

/** The request that an input belongs to. */
export interface BeeRequest {
  readonly id: string
  /**
   * The key that makes an effect on an outside system idempotent. It is the request's id, and in a loop also the number of the round. It stays the
   * same when the bee is called again for the same input.
   */
  readonly callId: string
  readonly headers: readonly Header[]
  /**
   * The media type of the input: for bytes, the type that the bytes arrived with; for tensors, `application/vnd.waggle.tensors`; for any other input,
   * `application/json`.
   */
  readonly contentType: string
  /** After a join: the names of the inputs that are on a branch the request did not take. */
  readonly notTaken: readonly string[]
  /** The deadline in epoch milliseconds; null if there is none. */
  readonly deadline: number | null
  readonly signal: AbortSignal
  readonly attempt: number
  /**
   * For an async generator: the parts that an earlier run of this call published before a crash; empty in a first run. A later run must give the same
   * parts again. A bee that cannot do this yields the earlier parts first (`yield* request.parts`), and then continues after them.
   */
  readonly parts: readonly unknown[]
  /** For a bee that publishes parts without being an async generator. Throws WAGGLE_INVALID_BEE if the bee type does not set `givesParts`. */
  beginParts(): Promise<BeeParts>
  /**
   * The record that the input comes from. `startedAt`, `finishedAt` (epoch milliseconds) and `batchSize` describe the call that wrote the record;
   * null if unknown.
   */
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

/** The parts of a result that a bee publishes while it works. The caller gets each part at once, as an event of the request. */
export interface BeeParts {
  /** All published parts, including parts of earlier runs. */
  readonly published: readonly unknown[]
  /**
   * Publishes the next part, or the part with this number, counted from 0. A part that was published before must be equal. Settles when the bee may
   * continue. Throws WAGGLE_PARTS_DIFFER and WAGGLE_TOO_MANY_PARTS.
   */
  publish(part: unknown, number?: number): Promise<void>
}

/**
 * Tensors as a bee's input or output. Other inputs are JSON values, bytes as Uint8Array, and after a `join` an object with one member for each joined
 * bee. The member of a failed bee is an `ErrorInput`.
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
/** Bytes with a media type as a bee's output. A Uint8Array alone counts as application/octet-stream. */
export interface BytesOutput {
  readonly contentType: string
  readonly bytes: Uint8Array
}

/** The result of a `value` bee that passes its input on unchanged. `readers` are the readers that get the input; null means all readers. */
export class PassedOn {
  readonly readers: readonly string[] | null
  constructor(readers: readonly string[] | null = null) {
    this.readers = readers
  }
}

/**
 * The result of a `value` bee that ends the path of a request. The bee's readers get this mark instead of a value, and pass it on. If no other bee
 * answers, the caller gets status 422.
 */
export class NotTaken {
  /** The end of a sentence that begins with the bee's name. */
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

/** The result of a `call` bee that answers the caller at once. Its readers get `published`. If `published` is null, the request ends here. */
export class Responded {
  readonly answer: unknown
  readonly published: { readonly value: unknown } | null
  constructor(answer: unknown, published: { readonly value: unknown } | null) {
    this.answer = answer
    this.published = published
  }
}

/** A setting of a bee outside its spec. Only some bee types read these settings. */
export type BesideSpec = 'gpu' | 'replicas' | 'max_replicas'

/** A model with its versions, as an operator sees it. */
export interface RunningModel {
  readonly state: Omit<ModelRow, 'swarm' | 'bee' | 'type'>
  /** Searches for new versions now. */
  reload(): Promise<void>
}

/**
 * A bee. Its function `process` may be an async generator. Each yielded part reaches the caller at once. The result is the returned value, or,
 * without a returned value, all parts as one value.
 */
export type Bee<In, Out> = {
  close?(): Promise<void>
  /** False while a call would wait, because the bee's program starts again. Default: true. */
  readonly isReady?: boolean
  /** An input that the bee accepts, as JSON. `waggle run` prints an example request with this input. */
  example?(): unknown
  /** The type of the input that the open bee takes; null if the type is unknown. Without this member, the bee type's own input type is used. */
  inputType?(): PayloadType | null
  /** The model that the bee runs, if the model can be reloaded. */
  readonly model?: RunningModel
  /**
   * The picture that the bee takes; null if it takes no picture. Undefined: Waggle runs the type's `check` whenever a bee before this one needs to know
   * which picture it takes.
   */
  readonly picture?: TakenPicture | null
} & (
  | { process(input: In, request: BeeRequest): Out | Promise<Out> | AsyncIterable<unknown> }
  | { processBatch(inputs: readonly In[], requests: readonly BeeRequest[]): Promise<readonly (Out | WaggleError)[]> }
  /**
   * Adds steps of the DSL to the stream of inputs, which is keyed by request id. Returns the stream of results, which is also keyed by request id;
   * null for a bee without results.
   */
  | { connect(input: KStream<string, In>, builder: StreamsBuilder): KStream<string, Out> | null }
)

export interface BeeDefinition<S extends TSchema, In, Out> {
  type: string
  aliases?: readonly string[]
  /** The role of bees of this type. Default: `stream` if `create` returns a bee with `connect`, else `call`. */
  role?: BeeRole
  summary: string
  spec: S
  examples?: readonly Static<S>[]
  /** The delivery guarantee in prose: the effect of a crash, a replay and a duplicate on a request. */
  delivery: string
  /** The size and release of batches. A type of role `batch` sets this policy for the bees that read it; any other type sets it for its own input. */
  batch?(spec: Static<S>): BatchPolicy
  /** Types of the input and the output. The check of a swarm compares these types with the types of neighbouring bees. */
  input?: PayloadType | ((context: BeeCheckContext<Static<S>>) => Promise<PayloadType>)
  output?: PayloadType | ((context: BeeCheckContext<Static<S>>) => Promise<PayloadType>)
  /** Checks the files that the spec names, such as a model's shapes, before anything runs. Throws for a spec that does not fit. */
  check?(context: BeeCheckContext<Static<S>>): Promise<BeeFindings | undefined>
  /**
   * The spec of the bee's shadow: a second bee of this type that reads the same input, whose results are saved but not used. Null if the spec asks
   * for no shadow.
   */
  shadow?(spec: Static<S>): Static<S> | null
  /** The number of models that a bee with this spec computes concurrently in this process. The models share the processor's cores. Default: 0. */
  modelsAtOnce?(spec: Static<S>): number
  /** True if the output is always the input itself. The check of a swarm then uses the output type of the previous bee. */
  passesInput?: true
  /** True if the bee lets only some requests pass. A later join may then get a `NotTaken` mark instead of a result. */
  isConditional?: true
  /** True if the bee may answer the caller itself. A swarm that ends in such a bee needs no `respond` bee. */
  mayAnswer?: true
  /** True if the bee may publish parts of its result while it works. */
  givesParts?: true
  /**
   * The readers between which a bee with this spec chooses. The bee returns a `PassedOn` with the chosen readers. `branches` is also called for a
   * spec with mistakes.
   */
  branches?(spec: { readonly [key: string]: unknown }): readonly Branch[] | null
  /**
   * The mistakes of a spec that its schema does not detect, each with its place in the spec. `mistakes` is also called for a spec with schema
   * mistakes.
   */
  mistakes?(spec: { readonly [key: string]: unknown }): readonly SpecMistake[]
  /**
   * The files of code that a bee with this spec runs, as the spec names them, also those that may be missing. A version of a swarm has their hashes,
   * so that an edit of one makes a new version.
   */
  codeFiles?(spec: Static<S>): readonly string[]
  /** The least number of replicas, for a type whose spec has a separate setting for it. Default: 1. */
  leastReplicas?(spec: Static<S>): number
  /**
   * The settings outside the spec that bees of this type read; any other setting gets a warning. `replicas` sets the number of calls in flight.
   * `max_replicas` needs a bee that calls `replicate`. Default: all settings for the role `call`, `replicas` for `sink`, none for any other role.
   */
  uses?: readonly BesideSpec[]
  /** True if `check` depends on the bees that read this bee. */
  fitsReaders?: true
  /** True if the bee never changes its input. The bee then gets its input without a copy. */
  keepsInput?: true
  /** Creates the bee. Undefined for the roles `gateway` and `batch`, which the planner itself implements. */
  create?(context: BeeContext<Static<S>>): Bee<In, Out> | Promise<Bee<In, Out>>
}

/** A defined bee type. The planner reads the info, and the host uses the definition. */
export interface BeeType extends BeeTypeInfo {
  readonly definition: BeeDefinition<TSchema, never, unknown>
}

/** Makes a bee type. Built-in types use this function too. */
export function defineBee<S extends TSchema, In, Out>(definition: BeeDefinition<S, In, Out>): BeeType {
  refuseWrong(
    'defineBee',
    parameters({ definition: optionsOf({ type: aName, spec: aSchema }, ['type', 'spec']) }),
    [definition],
    'WAGGLE_INVALID_BEE',
  )
  return {
    type: definition.type,
    aliases: definition.aliases ?? [],
    role: definition.role ?? 'call',
    summary: definition.summary,
    delivery: definition.delivery,
    spec: definition.spec,
    input: typeof definition.input === 'function' ? null : (definition.input ?? null),
    output: typeof definition.output === 'function' ? null : (definition.output ?? null),
    examples: definition.examples ?? [],
    isConditional: definition.isConditional ?? false,
    passesInput: definition.passesInput ?? false,
    mayAnswer: definition.mayAnswer ?? false,
    givesParts: definition.givesParts ?? false,
    ...(definition.branches === undefined ? {} : { branches: definition.branches }),
    ...(definition.mistakes === undefined ? {} : { mistakes: definition.mistakes }),
    ...(definition.shadow === undefined ? {} : { shadow: definition.shadow as NonNullable<BeeTypeInfo['shadow']> }),
    ...(definition.codeFiles === undefined ? {} : { codeFiles: definition.codeFiles as NonNullable<BeeTypeInfo['codeFiles']> }),
    definition: definition as unknown as BeeDefinition<TSchema, never, unknown>,
  }
}
