import type { AsyncCall, AsyncWorker, BatchPolicy } from '../../topology/async-step.ts'
import { type Header, headerText, type RecordMetadata } from '../../topology/record.ts'
import type { BeeHost, BeeValue, StreamBee } from '../../topology/swarm/bee-host.ts'
import type { BeeRole } from '../../topology/swarm/bee-type.ts'
import { readersIn, type SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf } from '../../topology/swarm/payload/payload-serde.ts'
import { ShadowDropped } from '../../topology/swarm/plan/shadow-bees.ts'
import type { Programs } from '../../topology/swarm/ports/programs.ts'
import { isNotTaken, notTaken } from '../../topology/swarm/request/branches.ts'
import { batchSizeHeader, deadlineOf, finishedHeader, startedHeader } from '../../topology/swarm/request/headers.ts'
import { callIdOf } from '../../topology/swarm/request/rounds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import {
  type Bee,
  type BeeContext,
  type BeeFindings,
  type BeePorts,
  type BeeRequest,
  type BeeType,
  NotTaken,
  PassedOn,
  type RunningModel,
} from '../define-bee.ts'
import type { BeeRegistry } from '../registry.ts'
import { BeeReplicas } from '../replicas/bee-replicas.ts'
import type { ReplicaCounts } from '../replicas/replicas.ts'
import { BeeCalls } from './bee-calls.ts'
import { inputOf, ownInputOf, payloadOf } from './payload-input.ts'
import { ShadowTurns } from './shadow-turns.ts'

export interface HostOptions {
  readonly swarm: string
  readonly registry: BeeRegistry
  readonly ports: BeePorts
  readonly bees: readonly SwarmBee[]
  /** The spec of a bee with its secrets. Nothing else of `bees` has them. */
  readonly specOf: (bee: SwarmBee) => SwarmBee['spec']
  /** The place in the file, `file:line:col`, that an error of opening a bee is about. */
  readonly fileAndLineOf: (bee: SwarmBee, error: WaggleError) => string
  readonly now: () => number
  /** Calls `act` once, after `ms`. The returned function cancels the call. */
  readonly after: (ms: number, act: () => void) => () => void
  readonly resolve: BeeContext<never>['resolve']
  readonly resolveCommand: (image: string) => readonly string[] | null
  /** Bees that were created already, by name. */
  readonly made?: ReadonlyMap<string, Bee<unknown, unknown>>
  readonly log: (bee: string, level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/** Opens the bees of one swarm by their types' `create`. Converts payloads to their inputs, and their outputs to payloads. */
export class SwarmHost implements BeeHost {
  readonly #options: HostOptions
  /** The bees that were created before the topology: those of the roles `value` and `stream`. */
  readonly #made: ReadonlyMap<string, Bee<unknown, unknown>>
  /** The turns of bees that have a shadow, by the bee's name. */
  readonly #turns: ReadonlyMap<string, ShadowTurns>
  readonly #opened = new Map<string, Bee<unknown, unknown>>()
  readonly #replicas: ReadonlyMap<string, BeeReplicas>
  readonly calls: BeeCalls

  private constructor(options: HostOptions, made: ReadonlyMap<string, Bee<unknown, unknown>>) {
    this.#options = options
    this.#made = made
    this.#replicas = new Map(options.bees.map((bee) => [bee.name, new BeeReplicas(bee, { ...options, least: leastReplicas(options, bee) })]))
    this.#turns = new Map(options.bees.flatMap(({ shadows }) => (shadows === undefined ? [] : [[shadows, new ShadowTurns(options)] as const])))
    this.calls = new BeeCalls(options)
  }

  /** Creates the host and all bees of the roles `value` and `stream`. Those are part of the topology, which cannot wait for `create`. */
  static async create(options: HostOptions): Promise<SwarmHost> {
    const made = new Map(options.made)
    for (const bee of options.bees)
      if (!made.has(bee.name) && isPartOfTopology.has(bee.type.role))
        made.set(bee.name, await createBee(options, bee, alone(options, bee), async () => new Map()))
    return new SwarmHost(options, made)
  }

  /** The same at once. Throws WAGGLE_INVALID_BEE for such a bee if `create` returns a promise. */
  static createNow(options: HostOptions): SwarmHost {
    const made = new Map(options.made)
    for (const bee of options.bees) {
      if (made.has(bee.name) || !isPartOfTopology.has(bee.type.role)) continue
      const one = madeBy(options, bee, alone(options, bee), async () => new Map())
      if (one instanceof Promise)
        throw new WaggleError('WAGGLE_INVALID_BEE', {
          message: `create of the bee type ${bee.type.type} returns a promise`,
          next: 'Return the bee itself, or run the swarm from a file.',
        })
      made.set(bee.name, one)
    }
    return new SwarmHost(options, made)
  }

  /** An input that the bee accepts, as JSON; null if the bee names none or is not open in this process. */
  exampleInput(bee: string): unknown {
    try {
      return this.#opened.get(bee)?.example?.() ?? null
    } catch {
      // The example is optional, so its error is ignored.
      return null
    }
  }

  /** The models that bees of this process run. */
  get models(): readonly { readonly bee: string; readonly type: string; readonly model: RunningModel }[] {
    return this.#options.bees.flatMap(({ name, type }) => {
      const model = this.#opened.get(name)?.model
      return model === undefined ? [] : [{ bee: name, type: type.type, model }]
    })
  }

  /** The counts of the replicas of its bees that have some. */
  get replicas(): readonly ({ readonly bee: string } & ReplicaCounts)[] {
    return [...this.#replicas].flatMap(([bee, { counts }]) => (counts === null ? [] : [{ bee, ...counts }]))
  }

  replicasOf(bee: SwarmBee): number {
    const replicas = this.#replicas.get(bee.name)
    return replicas?.count ?? replicas?.range.min ?? bee.replicas
  }

  batchOf(bee: SwarmBee): BatchPolicy | null {
    return typeOf(this.#options, bee).definition.batch?.(bee.spec as never) ?? null
  }

  valueOf(
    bee: SwarmBee,
  ): (input: Payload, request: { readonly id: string; readonly headers: readonly Header[]; readonly place: RecordMetadata | null }) => BeeValue {
    const made = this.#made.get(bee.name)
    if (made === undefined || !('process' in made)) {
      throw new WaggleError('WAGGLE_INVALID_BEE', {
        message: `The bee type ${bee.type.type} has the role "${bee.type.role}", which needs a \`process\` function`,
        next: 'Return { process } from create.',
      })
    }
    const given = inputs(typeOf(this.#options, bee))
    return (input, { id, headers, place }) => {
      const request = beeRequest({ key: id, headers, metadata: place ?? nowhere, signal: neverAborted, attempt: 1, timestamp: 0 }, input)
      const output = made.process(given(input), request)
      if (output instanceof Promise)
        throw new WaggleError('WAGGLE_INVALID_BEE', {
          message: `The bee type ${bee.type.type} has the role "${bee.type.role}", which must not return a promise`,
          next: 'Return the result itself, or give the bee type the role "call".',
        })
      if (output instanceof PassedOn) return { payload: input, readers: output.readers }
      if (output instanceof NotTaken) return { payload: notTaken(bee.name, `${bee.name} ${output.reason}`), readers: null }
      return { payload: payloadOf(output, bee.name), readers: null }
    }
  }

  streamOf(bee: SwarmBee): StreamBee {
    const made = this.#made.get(bee.name)
    if (made === undefined || !('connect' in made) || typeof made.connect !== 'function') {
      throw new WaggleError('WAGGLE_INVALID_BEE', {
        message: `The bee type ${bee.type.type} has the role "stream", which needs a \`connect\` function`,
        next: 'Return { connect } from create.',
      })
    }
    const given = inputs(typeOf(this.#options, bee))
    return {
      connect: (input, builder) => {
        try {
          return made.connect(input, builder)
        } catch (thrown) {
          const error = WaggleError.from('WAGGLE_INVALID_BEE', thrown, { message: `connect of ${bee.name} failed`, next: 'Correct it.' })
          throw error.at(this.#options.fileAndLineOf(bee, error))
        }
      },
      inputOf: given,
      payloadOf: (output) => payloadOf(output, bee.name),
    }
  }

  async #findingsOfReaders(bee: SwarmBee): Promise<ReadonlyMap<string, BeeFindings>> {
    const found = new Map<string, BeeFindings>()
    for (const reader of readersIn(this.#options.bees)(bee.name)) {
      const picture = this.#opened.get(reader.name)?.picture
      if (picture === undefined) found.set(reader.name, await this.#checked(reader))
      else if (picture !== null) found.set(reader.name, { picture })
    }
    return found
  }

  /** The findings about a bee that does not tell its picture, or that is not open in this process. Empty if its files are on another machine. */
  async #checked(bee: SwarmBee): Promise<BeeFindings> {
    const { swarm, bees, ports, resolve, resolveCommand, log } = this.#options
    const check = typeOf(this.#options, bee).definition.check
    const context = {
      swarm,
      bee: bee.name,
      specs: new Map(bees.map((one) => [one.name, one.spec])),
      spec: this.#options.specOf(bee) as never,
      ports: { ...ports, programs: unseen },
      inputs: new Map(),
      readers: () => this.#findingsOfReaders(bee),
      resolve,
      resolveCommand,
    }
    try {
      return (await check?.(context)) ?? {}
    } catch (thrown) {
      if (!(thrown instanceof WaggleError) || !isElsewhere.has(thrown.code)) throw thrown
      log(bee.name, 'warn', `its picture is unknown in this process: ${thrown.message}`)
      return {}
    }
  }

  async open(bee: SwarmBee, batchSize: number): Promise<Worker> {
    const replicas = this.#replicas.get(bee.name) ?? new BeeReplicas(bee, { ...this.#options, least: 1 })
    const made = this.#made.get(bee.name) ?? (await createBee(this.#options, bee, { batchSize, replicas }, (one) => this.#findingsOfReaders(one)))
    if ('connect' in made)
      throw new WaggleError('WAGGLE_INVALID_BEE', {
        message: `The bee type ${bee.type.type} returns { connect }, and was planned as a function of requests`,
        next: "Give its definition the role: 'stream'.",
      })
    this.#opened.set(bee.name, made)
    const given = inputs(typeOf(this.#options, bee))
    const call: Worker['call'] = (rows, calls) => {
      replicas.waited(calls)
      return callBee(made, { bee: bee.name, given, open: this.calls }, rows, calls)
    }
    return {
      call: this.#inTurn(bee, call),
      close: async () => {
        await made.close?.()
      },
    }
  }

  /** The calls of a bee that has a shadow, or of a shadow, which waits for its turn. Any other bee's calls are unchanged. */
  #inTurn({ name, shadows }: SwarmBee, call: Worker['call']): Worker['call'] {
    const turns = this.#turns.get(shadows ?? name)
    if (turns === undefined) return call
    if (shadows === undefined) return (rows, calls) => turns.call(calls, () => call(rows, calls))
    return async (rows, calls) => ((await turns.turn(calls)) ? call(rows, calls) : rows.map(() => new ShadowDropped(name)))
  }
}

/** The roles of bees that compute inside the topology, or that add steps to it. */
const isPartOfTopology: ReadonlySet<BeeRole> = new Set(['value', 'loop', 'stream'])

type Worker = AsyncWorker<string, Payload, Payload, Payload>

type ReaderFindings = (bee: SwarmBee) => Promise<ReadonlyMap<string, BeeFindings>>

const isElsewhere: ReadonlySet<string> = new Set(['WAGGLE_NOT_RESOLVED', 'WAGGLE_FILE_NOT_FOUND', 'WAGGLE_MODEL_NOT_FOUND'])

/** Bees of a running swarm are not checked for programs and modules. */
const unseen: Programs = { checkModule: async () => ({}), checkPython: async () => {}, checkCommand: async () => {}, hasImage: async () => null }

/** Converts a payload to an input. A bee that may change its input gets a copy, because other bees and the dead letter have the same input. */
function inputs({ definition }: BeeType): (payload: Payload) => unknown {
  return definition.keepsInput === true ? inputOf : ownInputOf
}

async function callBee(
  made: Exclude<Bee<unknown, unknown>, { connect: unknown }>,
  { bee, given, open }: { readonly bee: string; readonly given: (payload: Payload) => unknown; readonly open: BeeCalls },
  rows: readonly Payload[],
  calls: readonly AsyncCall<string>[],
): Promise<readonly (Payload | WaggleError)[]> {
  const requests = calls.map((call, at) => beeRequest(call, rows[at] as Payload))
  if ('processBatch' in made) {
    const outputs: unknown = await open.call(bee, requests, () => made.processBatch(rows.map(given), requests))
    if (!Array.isArray(outputs)) throw noList(bee)
    // Array.from turns a hole in the list into undefined, which `payloadOf` refuses.
    return Array.from(outputs, (output: unknown) => safely(() => (output instanceof WaggleError ? output : payloadOf(output, bee))))
  }
  return Promise.all(
    rows.map(async (row, at) => {
      try {
        const request = requests[at] as BeeRequest
        return payloadOf(await open.call(bee, [request], () => made.process(given(row), request)), bee)
      } catch (thrown) {
        return WaggleError.from('WAGGLE_BEE_FAILED', thrown, {
          next: `Correct ${bee}: with WAGGLE_LOG_LEVEL=${bee}=debug the log of the process shows the stack.`,
        })
      }
    }),
  )
}

function noList(bee: string): WaggleError {
  return new WaggleError('WAGGLE_BEE_OUTPUT', { message: `${bee} gave no list of results`, next: 'Give one result a row, in order.' })
}

function safely(make: () => Payload | WaggleError): Payload | WaggleError {
  try {
    return make()
  } catch (thrown) {
    return WaggleError.from('WAGGLE_BEE_OUTPUT', thrown, { next: 'Correct the bee.' })
  }
}

/** The request of an input. Headers, signal and source are made on demand, because most bees do not read them. */
function beeRequest(call: Omit<AsyncCall<string>, 'value'>, input: Payload): BeeRequest {
  const { key: id, headers, metadata, attempt, timestamp } = call
  const number = (key: string) => {
    const text = headerText(headers, key)
    const value = text === null ? Number.NaN : Number(text)
    return Number.isSafeInteger(value) && value >= 0 ? value : null
  }
  return {
    id,
    get callId() {
      return callIdOf(id, headers)
    },
    get headers() {
      return headers.map(({ key, value }) => ({ key, value: value === null ? null : new Uint8Array(value) }))
    },
    contentType: contentTypeOf(input),
    notTaken: input.kind === 'joined' ? [...input.parts].flatMap(([bee, part]) => (isNotTaken(part) ? [bee] : [])) : [],
    deadline: deadlineOf(headers),
    get signal() {
      return call.signal
    },
    attempt,
    get source() {
      return {
        bee: metadata.topic.slice(metadata.topic.lastIndexOf('.') + 1),
        topic: metadata.topic,
        partition: metadata.partition,
        offset: metadata.offset,
        timestamp,
        startedAt: number(startedHeader),
        finishedAt: number(finishedHeader),
        batchSize: number(batchSizeHeader),
      }
    },
  }
}

async function createBee(options: HostOptions, bee: SwarmBee, opening: Opening, readers: ReaderFindings): Promise<Bee<unknown, unknown>> {
  try {
    return await madeBy(options, bee, opening, readers)
  } catch (thrown) {
    throw thrown instanceof WaggleError ? thrown.at(options.fileAndLineOf(bee, thrown)) : thrown
  }
}

/** The result of a type's `create`, which may be a promise. */
export function madeBy(
  options: HostOptions,
  bee: SwarmBee,
  { batchSize, replicas }: Opening,
  readers: ReaderFindings,
): Bee<unknown, unknown> | Promise<Bee<unknown, unknown>> {
  const { definition } = typeOf(options, bee)
  if (definition.create === undefined)
    throw new WaggleError('WAGGLE_INVALID_BEE', {
      message: `${bee.type.type} has no create function`,
      next: 'Give it one, or the role gateway or batch.',
    })
  const context: BeeContext<never> = {
    swarm: options.swarm,
    bee: bee.name,
    ...(bee.shadows === undefined ? {} : { shadows: bee.shadows }),
    spec: options.specOf(bee) as never,
    inputNames: bee.input?.bees ?? [],
    specs: new Map(options.bees.map(({ name, spec }) => [name, spec])),
    gpu: bee.gpu,
    batchSize,
    replicas: replicas.range,
    replicate: (open) => replicas.open(open),
    ports: options.ports,
    now: options.now,
    readers: () => readers(bee),
    resolve: options.resolve,
    resolveCommand: options.resolveCommand,
    log: (level, message) => options.log(bee.name, level, message),
  }
  return definition.create(context) as Bee<unknown, unknown> | Promise<Bee<unknown, unknown>>
}

interface Opening {
  readonly batchSize: number
  readonly replicas: BeeReplicas
}

/** The opening of a bee that is created before the topology. */
export function alone(options: HostOptions, bee: SwarmBee): Opening {
  return { batchSize: 1, replicas: new BeeReplicas(bee, { ...options, least: 1 }) }
}

function leastReplicas(options: HostOptions, bee: SwarmBee): number {
  return options.registry.find(bee.type.type)?.definition.leastReplicas?.(bee.spec as never) ?? 1
}

function typeOf(options: HostOptions, bee: SwarmBee): BeeType {
  const type = options.registry.find(bee.type.type)
  if (type === null) throw new WaggleError('WAGGLE_UNKNOWN_BEE_TYPE', { message: `There is no bee type ${bee.type.type}`, next: 'Register it.' })
  return type
}

const neverAborted = new AbortController().signal
const nowhere: RecordMetadata = { topic: '', partition: -1, offset: -1n }
