import type { AsyncWorker, BatchPolicy } from '../../topology/async-step.ts'
import type { Header, RecordMetadata } from '../../topology/record.ts'
import type { BeeHost, BeeValue, StreamBee } from '../../topology/swarm/bee-host.ts'
import type { BeeRole } from '../../topology/swarm/bee-type.ts'
import { readersIn, type SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { EdgeTypes } from '../../topology/swarm/inference-models.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { ShadowDropped } from '../../topology/swarm/plan/shadow-bees.ts'
import type { Programs } from '../../topology/swarm/ports/programs.ts'
import type { BeeResult } from '../../topology/swarm/request/answered.ts'
import { notTaken } from '../../topology/swarm/request/branches.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type Bee, type BeeFindings, type BeeType, NotTaken, PassedOn, type RunningModel } from '../define-bee.ts'
import { BeeReplicas } from '../replicas/bee-replicas.ts'
import type { ReplicaCounts } from '../replicas/replicas.ts'
import { BeeCalls } from './bee-calls.ts'
import { BeePrinter } from './bee-printer.ts'
import { beeRequest } from './bee-request.ts'
import { BeeStates } from './bee-states.ts'
import { callBee } from './called-bee.ts'
import { alone, createBee, leastReplicas, madeBy, typeOf } from './created-bee.ts'
import type { HostOptions } from './host-options.ts'
import { inputOf, ownInputOf, payloadOf } from './payload-input.ts'
import { RequestParts, requestParts } from './request-parts.ts'
import { ShadowGate } from './shadow-gate.ts'
import { tracedCalls } from './traced-calls.ts'

/** Opens the bees of one swarm by `create` of their types. Converts payloads to inputs of bees, and outputs of bees to payloads. */
export class SwarmHost implements BeeHost {
  readonly #options: HostOptions
  /** The bees that were created before the topology: the bees of the roles `value`, `loop` and `stream`. */
  readonly #made: ReadonlyMap<string, Bee<unknown, unknown>>
  /** For each bee that has a shadow, the object that decides when the shadow may compute. The key is the bee's name. */
  readonly #gates: ReadonlyMap<string, ShadowGate>
  readonly #opened = new Map<string, Bee<unknown, unknown>>()
  readonly #replicas: ReadonlyMap<string, BeeReplicas>
  readonly calls: BeeCalls
  readonly states = new BeeStates()

  private constructor(options: HostOptions, made: ReadonlyMap<string, Bee<unknown, unknown>>) {
    this.#options = options
    this.#made = made
    this.#replicas = new Map(options.bees.map((bee) => [bee.name, new BeeReplicas(bee, { ...options, least: leastReplicas(options, bee) })]))
    this.#gates = new Map(options.bees.flatMap(({ shadows }) => (shadows === undefined ? [] : [[shadows, new ShadowGate(options)] as const])))
    const { now, log } = options
    const { printing } = options.ports
    this.calls = new BeeCalls({ now, log, ...(printing === undefined ? {} : { printing }) })
  }

  /** Creates the host and all bees of the roles `value`, `loop` and `stream`. These bees are part of the topology, which cannot wait for `create`. */
  static async create(options: HostOptions): Promise<SwarmHost> {
    const made = new Map(options.made)
    for (const bee of options.bees)
      if (!made.has(bee.name) && isPartOfTopology.has(bee.type.role))
        made.set(bee.name, await createBee(options, bee, alone(options, bee), async () => new Map()))
    return new SwarmHost(options, made)
  }

  /** Does the same as `create` without waiting. Throws WAGGLE_INVALID_BEE if `create` of one of these bees returns a promise. */
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

  /** An input that the bee accepts, as JSON; null if the bee has no example, or is not open in this process. */
  exampleInput(bee: string): unknown {
    try {
      return this.#opened.get(bee)?.example?.() ?? null
    } catch {
      // The example is optional, so its error is ignored.
      return null
    }
  }

  get recordsSpans(): boolean {
    return this.#options.tracing !== undefined
  }

  /** The types of a bee's input and output, as far as they are known without loading a program, and without loading a model a second time. */
  async typesOf(bee: SwarmBee): Promise<EdgeTypes> {
    const { definition, input, output } = typeOf(this.#options, bee)
    const own = this.#opened.get(bee.name)?.inputType?.() ?? null
    let found: BeeFindings = {}
    try {
      // The check of a bee with a model opens the model.
      if (own === null && definition.modelsAtOnce === undefined) found = await this.#checked(bee)
    } catch (thrown) {
      if (!(thrown instanceof WaggleError)) throw thrown
    }
    return { input: own ?? found.input ?? input, output: found.output ?? output }
  }

  /** The models that bees of this process run. */
  get models(): readonly { readonly bee: string; readonly type: string; readonly model: RunningModel }[] {
    return this.#options.bees.flatMap(({ name, type }) => {
      const model = this.#opened.get(name)?.model
      return model === undefined ? [] : [{ bee: name, type: type.type, model }]
    })
  }

  /** The counts of replicas, for each bee that has replicas. */
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
    const { log } = this.#options
    const { printing } = this.#options.ports
    return (input, { id, headers, place }) => {
      const call = { key: id, headers, metadata: place ?? nowhere, signal: neverAborted, attempt: 1, timestamp: 0 }
      const request = beeRequest(
        call,
        input,
        new RequestParts(
          async () => Promise.reject(noPartsAtOnce(bee)),
          () => neverAborted,
        ),
      )
      const act = () => made.process(given(input), request)
      const output =
        printing === undefined
          ? act()
          : printing.callNow(new BeePrinter((level, message, origin) => log(bee.name, level, message, origin), [request]), act)
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
          const error = WaggleError.from('WAGGLE_INVALID_BEE', thrown, {
            message: `connect of ${bee.name} failed`,
            next: `Correct the function connect of the bee type ${bee.type.type}.`,
          })
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

  /** The findings about a bee that has no member `picture`, or that is not open in this process. Empty if the bee's files are on another machine. */
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
    const made =
      this.#made.get(bee.name) ??
      (await this.states.opened(bee.name, () => createBee(this.#options, bee, { batchSize, replicas }, (one) => this.#findingsOfReaders(one))))
    if ('connect' in made)
      throw new WaggleError('WAGGLE_INVALID_BEE', {
        message: `The bee type ${bee.type.type} returns { connect }, and was planned as a function of requests`,
        next: "Give its definition the role: 'stream'.",
      })
    this.#opened.set(bee.name, made)
    const given = inputs(typeOf(this.#options, bee))
    const call: Worker['call'] = (rows, calls) => {
      replicas.waited(calls)
      const partsOf = (call: (typeof calls)[number]) => requestParts(bee, this.#options, call)
      return callBee(made, { bee: bee.name, given, open: this.calls, partsOf }, rows, calls)
    }
    const { tracing, now, swarm } = this.#options
    const traced = tracing === undefined ? call : tracedCalls({ tracing, now, swarm, bee: bee.name, type: bee.type.type }, call)
    return {
      call: this.#gated(bee, traced),
      close: async () => {
        this.states.closed(bee.name, made)
        await made.close?.()
      },
    }
  }

  /**
   * Wraps the calls of a bee that has a shadow, and the calls of a shadow, which waits until it may compute. The calls of any other bee are
   * unchanged.
   */
  #gated({ name, shadows }: SwarmBee, call: Worker['call']): Worker['call'] {
    const gate = this.#gates.get(shadows ?? name)
    if (gate === undefined) return call
    if (shadows === undefined) return (rows, calls) => gate.call(calls, () => call(rows, calls))
    return async (rows, calls) => ((await gate.enter(calls)) ? call(rows, calls) : rows.map(() => new ShadowDropped(name)))
  }
}

function noPartsAtOnce({ type }: SwarmBee): WaggleError {
  return new WaggleError('WAGGLE_INVALID_BEE', {
    message: `The bee type ${type.type} has the role "${type.role}", which gives its result at once`,
    next: 'Give the bee type the role "call" if it publishes parts.',
  })
}

/** The roles of bees that compute inside the topology, or that add steps to it. */
const isPartOfTopology: ReadonlySet<BeeRole> = new Set(['value', 'loop', 'stream'])

type Worker = AsyncWorker<string, Payload, Payload, BeeResult>

const isElsewhere: ReadonlySet<string> = new Set(['WAGGLE_NOT_RESOLVED', 'WAGGLE_FILE_NOT_FOUND', 'WAGGLE_MODEL_NOT_FOUND'])

/** In a running swarm the check of a reader does not load programs and modules. */
const unseen: Programs = { checkModule: async () => ({}), checkPython: async () => ({}), checkCommand: async () => {}, hasImage: async () => null }

/** Converts a payload to an input. A bee that may change its input gets a copy, because other bees and the dead letter have the same input. */
function inputs({ definition }: BeeType): (payload: Payload) => unknown {
  return definition.keepsInput === true ? inputOf : ownInputOf
}

const neverAborted = new AbortController().signal
const nowhere: RecordMetadata = { topic: '', partition: -1, offset: -1n }
