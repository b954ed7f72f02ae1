import type { BatchPolicy } from '../../topology/async-step.ts'
import { beeCapability } from '../../topology/capabilities.ts'
import type { FailureListener } from '../../topology/failed-record.ts'
import { Topology } from '../../topology/graph.ts'
import type { Supplied } from '../../topology/operators/supplied.ts'
import type { ProcessorSupplier } from '../../topology/processor-api.ts'
import { Produced } from '../../topology/produced.ts'
import type { Record } from '../../topology/record.ts'
import type { HandingSerde, Serde } from '../../topology/serde.ts'
import { Serdes } from '../../topology/serdes.ts'
import { type KeptStore, keyValueStore } from '../../topology/state-store.ts'
import { resolved } from '../../topology/streams/unset-serde.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { beeValueSerde } from '../../topology/swarm/payload/bee-value-serde.ts'
import { cacheEntrySerde, joinEntrySerde, requestEntrySerde } from '../../topology/swarm/payload/entry-serdes.ts'
import { isLargerThan } from '../../topology/swarm/payload/inline-size.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { markedPrediction } from '../../topology/swarm/payload/prediction-serde.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import type { Step, SubtopologyPlan } from '../../topology/swarm/plan/subtopology-plan.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import type { AcceptedRecord, TracedCall } from '../../topology/swarm/ports/tracing.ts'
import { type Reply, replySerde } from '../../topology/swarm/request/reply.ts'
import type { ReplyTopics } from '../../topology/swarm/request/reply-topics.ts'
import type { TraceContext } from '../../topology/swarm/request/trace-context.ts'
import { beeTopic, deadLetterTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { AcceptProcessor } from './accept-step.ts'
import { beeStep } from './bee-step.ts'
import { branchStep } from './branch-step.ts'
import { cacheKeyStep } from './cache-key-step.ts'
import { CacheProcessor } from './cache-step.ts'
import { ClaimOrigins } from './claim-origins.ts'
import { claimStep } from './claim-step.ts'
import { DeduplicateProcessor } from './deduplicate-step.ts'
import { entranceSerde } from './entrance-serde.ts'
import { joinStep, joinTimeoutMs } from './join-step.ts'
import { loopStep } from './loop-step.ts'
import { MergeProcessor } from './merge-step.ts'
import { type OutputEvent, outputTopicRecord } from './output-topic-record.ts'
import { RequestLedgerProcessor } from './request-ledger.ts'
import { addStreamStep } from './stream-step.ts'
import type { SynchronousRows } from './synchronous-meters.ts'
import { SynchronousSpans } from './synchronous-spans.ts'
import { unansweredStep } from './unanswered-step.ts'
import { valueStep } from './value-step.ts'

export interface GraphSettings {
  /** The time for which an id is known and its answer is stored, in ms. */
  readonly answersRetentionMs: number
  /** The time for which joins remember sent results, in ms; null on a log that never repeats records. */
  readonly duplicateRetentionMs: number | null
  /** The topics whose predictions have another encoding (`predictionSerde`); null if they are JSON. */
  readonly predictions: { readonly serde: HandingSerde<Payload>; readonly topics: ReadonlySet<string> } | null
  /** The topics that a record may name for its reply. */
  readonly replyTopics: ReplyTopics
  /** True if each process declares which bees it may run. */
  readonly placesBees?: boolean
  /** Called with each record at which a bee fails. Refusals and missed deadlines are failures too. */
  readonly onFailure?: FailureListener
  /** Called with each output of a bee that takes an input. An error that a bee makes or passes on is no output. */
  readonly onOutput?: (bee: string, output: Payload) => void
  /** Begins the trace of a record at a gateway that has none. Undefined: spans are not recorded. */
  readonly beginTrace?: (record: AcceptedRecord) => TraceContext
  /** Fetches large payloads for synchronous bees, which cannot wait for a store. Undefined: there is no store, so every payload is in its record. */
  readonly claims?: Claims
  /** The most bytes of a result that a synchronous bee writes to the log. Undefined: no bound. */
  readonly maxResultBytes?: number
  /** Records the call of a synchronous bee. Undefined: spans are not recorded. */
  readonly recordCall?: (call: TracedCall) => void
  /** The counts of the inputs of a synchronous bee. Every call with a name returns the same object. Undefined: inputs are not counted. */
  readonly synchronousRows?: (bee: string) => SynchronousRows
}

/** Turns a plan into a topology for the engine. */
export function swarmTopology(plan: SwarmPlan, host: BeeHost, settings: GraphSettings): Topology {
  const topology = new Topology()
  const bees = new Map(plan.bees.map((bee) => [bee.name, bee]))
  for (const subtopology of plan.subtopologies) new SubtopologyBuilder(topology, plan, subtopology, bees, host, settings).build()
  if (!plan.bees.some(({ type }) => type.role === 'stream')) return topology
  return topology.mapped({ topic: (name) => name, serde: (serde) => resolved(serde, beeDefaults), timestampExtractor: null })
}

/** The serdes of the DSL's steps in a bee whose author names no serdes. */
const beeDefaults = { key: beeValueSerde, value: beeValueSerde }

class SubtopologyBuilder {
  readonly #topology: Topology
  readonly #plan: SwarmPlan
  readonly #subtopology: SubtopologyPlan
  readonly #bees: ReadonlyMap<string, SwarmBee>
  readonly #host: BeeHost
  readonly #settings: GraphSettings
  readonly #deadLetters: string
  readonly #payloads: HandingSerde<Payload>
  /** The names of the steps that fetch large payloads, by source. */
  readonly #claimSteps = new Map<string, string>()
  readonly #claimOrigins = new ClaimOrigins()
  readonly #spans: SynchronousSpans
  /** The steps that each step feeds, in the plan's order. */
  readonly #children = new Map<string, string[]>()

  constructor(
    topology: Topology,
    plan: SwarmPlan,
    subtopology: SubtopologyPlan,
    bees: ReadonlyMap<string, SwarmBee>,
    host: BeeHost,
    settings: GraphSettings,
  ) {
    this.#topology = topology
    this.#plan = plan
    this.#subtopology = subtopology
    this.#bees = bees
    this.#host = host
    this.#settings = settings
    this.#deadLetters = `dead-letters.${subtopology.id}`
    this.#spans = new SynchronousSpans(plan.swarm, settings.recordCall === undefined ? null : { called: settings.recordCall })
    this.#payloads = settings.predictions?.serde ?? payloadSerde
    for (const { name, parents } of subtopology.steps) for (const parent of parents) this.#childrenOf(parent).push(name)
  }

  build(): void {
    const { steps } = this.#subtopology
    for (const step of steps) this.#add(step)
    const failing = [...steps.flatMap(({ kind, name }) => (deadLetterSteps.has(kind) ? [name] : [])), ...this.#claimSteps.values()]
    if (failing.length > 0) this.#addSink(this.#deadLetters, deadLetterTopic(this.#plan.swarm), failing)
  }

  #add(step: Step): void {
    const { name } = step
    const parents = step.parents.map((parent) => this.#claimSteps.get(parent) ?? parent)
    const children = this.#childrenOf(name)
    switch (step.kind) {
      case 'source':
        // Only a gateway's topic can contain records from strangers that have no key or no value.
        this.#topology.addSourceWith(name, step.topics, {
          key: Serdes.string(),
          value: this.#read(name),
          isShared: true,
          refusesNulls: !this.#isEntrance(name),
        })
        this.#addClaimStep(name, children)
        return
      case 'sink':
        this.#addSink(name, step.topic, parents)
        return
      case 'accept': {
        const acceptedChild = `${name}.accepted`
        const requestChildren = children.filter((child) => child !== acceptedChild)
        const { gateway, bee } = step
        const { replyTopics } = this.#settings
        const { deadLetters: deadLetterChild, onFailure } = this.#failing
        const { beginTrace } = this.#settings
        const options = {
          ...{ gateway, bee, acceptedChild, requestChildren, deadLetterChild, replyTopics, onFailure },
          ...(beginTrace === undefined ? {} : { beginTrace }),
        }
        this.#addProcessor(name, () => new AcceptProcessor(options), parents)
        return
      }
      case 'call': {
        const bee = this.#bee(step.bee)
        const batch = tightest((step.batches.length === 0 ? [bee] : step.batches.map((one) => this.#bee(one))).map((one) => this.#host.batchOf(one)))
        const { swarm, acceptedTopic } = this.#plan
        const way = this.#plan.answerWays.get(bee.name) ?? 'none'
        const answers = way === 'direct' ? { way, child: `${name}.answers` } : { way }
        this.#topology.addAsync(
          name,
          beeStep({
            swarm,
            bee,
            host: this.#host,
            batch,
            before: this.#beeBefore(step),
            children,
            answers,
            ...(this.#seenStore === null ? {} : { seenStore: this.#seenStore }),
            ...this.#failing,
          }),
          parents,
        )
        // In this topic, the ledger takes each record that does not say "accepted" for an outcome.
        if (answers.way === 'direct') this.#topology.addSink(answers.child, acceptedTopic, [name], this.#written)
        const place = this.#settings.placesBees === true ? { [beeCapability(bee.name)]: 1 } : {}
        this.#topology.requireCapabilities(name, { ...(bee.gpu > 0 ? { gpu: bee.gpu } : {}), ...place })
        return
      }
      case 'output': {
        const child = `${name}.topic`
        const event = eventOf(this.#bee(step.bee), this.#plan.swarm)
        this.#topology.addOperator(
          name,
          { op: 'transform', apply: (record) => outputTopicRecord(record as Record<string, Payload>, { child, event }) },
          parents,
        )
        this.#topology.addSink(child, step.topic, [name], this.#written)
        return
      }
      case 'stream': {
        const bee = this.#bee(step.bee)
        const { swarm, bees } = this.#plan
        addStreamStep(this.#topology, {
          bee,
          made: this.#host.streamOf(bee),
          parent: parents[0] ?? '',
          topic: beeTopic(swarm, bee.name),
          written: this.#written,
          children,
          isRead: bees.some(({ input }) => input?.bees.includes(bee.name) === true),
          ...this.#failing,
        })
        return
      }
      case 'value':
        this.#topology.addOperator(
          name,
          valueStep({
            bee: this.#bee(step.bee),
            host: this.#host,
            before: this.#beeBefore(step),
            children,
            spans: this.#spans,
            ...this.#resultCheck(step),
            ...(this.#settings.synchronousRows === undefined ? {} : { rows: this.#settings.synchronousRows(step.bee) }),
            ...this.#failing,
          }),
          parents,
        )
        return
      case 'branch':
        this.#topology.addOperator(name, branchStep(step, children), parents)
        return
      case 'unanswered':
        this.#topology.addOperator(name, unansweredStep(step, children), parents)
        return
      case 'loop':
        this.#topology.addOperator(
          name,
          loopStep({ ...step, bee: this.#bee(step.bee), host: this.#host, children, spans: this.#spans, ...this.#failing }),
          parents,
        )
        return
      case 'merge': {
        const bee = this.#bee(step.bee)
        const { answersRetentionMs, duplicateRetentionMs } = this.#settings
        const options = {
          bee,
          inputs: step.inputs,
          store: step.store,
          dueStore: dueStore(step.store),
          timeoutMs: joinTimeoutMs(bee),
          retentionMs: answersRetentionMs,
          duplicateRetentionMs,
          onFailure: this.#failing.onFailure,
          onOutput: this.#failing.onOutput,
          spans: this.#spans,
        }
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: joinEntrySerde }))
        this.#addProcessor(name, () => new MergeProcessor(options), parents, stores)
        return
      }
      case 'cache-key':
        this.#topology.addOperator(name, cacheKeyStep(step.bee, children), parents)
        return
      case 'cache': {
        const { spec } = this.#bee(step.bee)
        const share = (key: string, fallback: number) => Math.ceil((typeof spec[key] === 'number' ? spec[key] : fallback) / step.partitions)
        const { onOutput } = this.#failing
        const { bee, body, exits, store } = step
        const options = {
          ...{ bee, body, exits, store, dueStore: dueStore(store), onOutput },
          retentionMs: Number(spec.ttl_seconds) * 1000,
          maxEntries: share('max_entries', 10_000),
          maxBytes: share('max_bytes', 67_108_864),
        }
        const stores = this.#stores(keyValueStore({ name: store, key: Serdes.string(), value: cacheEntrySerde }))
        this.#addProcessor(name, () => new CacheProcessor(options), parents, stores)
        return
      }
      case 'deduplicate': {
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: Serdes.long() }))
        const options = { store: step.store, dueStore: dueStore(step.store), retentionMs: this.#settings.answersRetentionMs }
        this.#addProcessor(name, () => new DeduplicateProcessor(options), parents, stores)
        for (const { kind, name: call } of this.#subtopology.steps)
          if (kind === 'call') this.#topology.connectProcessorAndStateStores(call, [step.store])
        return
      }
      case 'join': {
        const bee = this.#bee(step.bee)
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: joinEntrySerde }))
        const { inputs, store } = step
        const { duplicateRetentionMs, answersRetentionMs: lateRetentionMs } = this.#settings
        const { onFailure } = this.#failing
        const operator = joinStep({ bee, inputs, store, dueStore: dueStore(store), duplicateRetentionMs, lateRetentionMs, onFailure })
        this.#topology.addOperator(name, operator, parents, { stores })
        return
      }
      case 'ledger': {
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: requestEntrySerde }))
        const { store, waitsFor, ways } = step
        const replyChild = `${name}.replies`
        const options = {
          store,
          dueStore: dueStore(store),
          retentionMs: this.#settings.answersRetentionMs,
          waitsFor,
          ways,
          bee: name,
          before: this.#beeBefore(step),
          acceptedTopic: this.#plan.acceptedTopic,
          outcomeChildren: children,
          replyChild,
          replyTopics: this.#settings.replyTopics,
          onFailure: this.#failing.onFailure,
          ...(this.#claimSteps.size === 0 ? {} : { restored: (record: Record<string, Payload>) => this.#claimOrigins.restored(record) }),
        }
        this.#addProcessor(name, () => new RequestLedgerProcessor(options), parents, stores)
        this.#topology.addSink(replyChild, (_: string, reply: Reply) => reply.to.topic, [name], repliesWritten)
      }
    }
  }

  /** Adds a step of this folder. Each task makes its own processor. */
  #addProcessor<K, V, K2, V2>(
    name: string,
    supplier: ProcessorSupplier<K, V, K2, V2>,
    parents: readonly string[],
    stores: readonly KeptStore[] = [],
  ): void {
    this.#topology.addOperator(name, { op: 'supplied', supplier: supplier as Supplied['supplier'] }, parents, { stores })
  }

  #addSink(name: string, topic: string, parents: readonly string[]): void {
    const isPredictions = this.#settings.predictions?.topics.has(topic) === true
    if (!isPredictions && this.#claimSteps.size === 0) {
      this.#topology.addSink(name, topic, parents, this.#written)
      return
    }
    const child = `${name}.topic`
    const written = (record: Record<unknown, unknown>) => {
      const restored = this.#claimOrigins.restored(record as Record<string, Payload>)
      return isPredictions ? markedPrediction(restored) : restored
    }
    this.#topology.addOperator(name, { op: 'transform', apply: (record) => [{ record: written(record), child }] }, parents)
    this.#topology.addSink(child, topic, [name], this.#written)
  }

  /** Adds a step that fetches large payloads behind a source whose sub-topology has a bee that cannot wait for them. */
  #addClaimStep(source: string, children: readonly string[]): void {
    const { claims, maxResultBytes } = this.#settings
    const reader = this.#subtopology.steps.find(({ kind }) => readsAtOnce.has(kind))
    if (claims === undefined || reader === undefined) return
    const name = `${source}.claims`
    const bee = 'bee' in reader ? reader.bee : ''
    const { deadLetters, onFailure } = this.#failing
    this.#claimSteps.set(source, name)
    const isJoined = this.#subtopology.steps.some(({ kind }) => keepingJoins.has(kind))
    const bound = maxResultBytes === undefined || !isJoined ? {} : { maxJoinedBytes: maxResultBytes }
    this.#topology.addAsync(name, claimStep({ claims, origins: this.#claimOrigins, bee, children, deadLetters, onFailure, ...bound }), [source])
  }

  /** The check of a synchronous bee, if its results are written to the log. A result that is passed on as its claim may have any size. */
  #resultCheck({ name, bee }: Step & { readonly kind: 'value' }): { readonly check?: (result: Payload) => void } {
    const { maxResultBytes } = this.#settings
    if (maxResultBytes === undefined || !this.#isWritten(name)) return {}
    return {
      check: (result) => {
        if (isLargerThan(result, maxResultBytes) && !this.#claimOrigins.has(result)) throw resultTooLarge(bee, result, maxResultBytes)
      },
    }
  }

  /** True if what a step gives on is written to a topic or a store before another bee computes with it. */
  #isWritten(name: string): boolean {
    return this.#childrenOf(name).some((child) => {
      const kind = this.#subtopology.steps.find((step) => step.name === child)?.kind
      if (kind === undefined || computing.has(kind)) return false
      return passing.has(kind) ? this.#isWritten(child) : true
    })
  }

  #read(source: string): HandingSerde<Payload> {
    return this.#isEntrance(source) ? entranceSerde(this.#payloads, this.#settings.replyTopics) : this.#payloads
  }

  #isEntrance(source: string): boolean {
    return this.#subtopology.steps.some(({ kind, parents }) => kind === 'accept' && parents.includes(source))
  }

  /** The store of the requests that have passed deduplication; null in a sub-topology without deduplication. */
  get #seenStore(): string | null {
    return this.#subtopology.steps.find((step) => step.kind === 'deduplicate')?.store ?? null
  }

  get #failing() {
    const { onFailure = () => {}, onOutput = () => {} } = this.#settings
    return { deadLetters: this.#deadLetters, onFailure, onOutput }
  }

  get #written(): Produced<string, Payload> {
    return Produced.with(Serdes.string(), this.#payloads)
  }

  /** A store, and a second store that keeps the due times of the first store in order. */
  #stores(store: KeptStore): readonly KeptStore[] {
    return [store, { ...keyValueStore({ name: dueStore(store.name), key: Serdes.string(), value: Serdes.string() }), removedLast: true }]
  }

  /** The bee from which a step gets its input without a topic in between; null if there is none. */
  #beeBefore({ parents }: Step): string | null {
    const before = this.#subtopology.steps.filter(({ name }) => parents.includes(name))
    for (const step of before) {
      if (timed.has(step.kind) && 'bee' in step) return step.bee
      const earlier = step.kind === 'branch' ? this.#beeBefore(step) : null
      if (earlier !== null) return earlier
    }
    return null
  }

  #childrenOf(name: string): string[] {
    const children = this.#children.get(name) ?? []
    this.#children.set(name, children)
    return children
  }

  #bee(name: string): SwarmBee {
    const bee = this.#bees.get(name)
    if (bee === undefined)
      throw new WaggleError('WAGGLE_INTERNAL', { message: `The plan names ${name}, which is not a bee`, next: 'Report this as a bug.' })
    return bee
  }
}

/** The events that an output writes; null if the output's records are no events. */
function eventOf({ name, spec }: SwarmBee, swarm: string): OutputEvent | null {
  const { event_type: type, event_mode: mode } = spec
  if (typeof type !== 'string') return null
  return { type, source: `/swarms/${swarm}/bees/${name}`, mode: mode === 'structured' ? 'structured' : 'binary' }
}

function resultTooLarge(bee: string, result: Payload, maxBytes: number): WaggleError {
  const bytes = payloadSerde.serialize('', result).length
  return new WaggleError('WAGGLE_RESULT_TOO_LARGE', {
    message: `${bee} made a result of ${bytes} bytes. The bee is synchronous, so the result cannot wait for the claim store, and at most ${maxBytes} bytes travel in the log`,
    next: 'Make large results in an asynchronous bee (module, python, container). Or raise WAGGLE_MAX_INLINE_BYTES, and max.message.bytes of the topics.',
  })
}

/** The kinds of steps whose results carry the times of their call. */
const timed: ReadonlySet<Step['kind']> = new Set(['call', 'value', 'stream', 'merge', 'loop', 'cache'])

const repliesWritten = Produced.with<string, Reply>(Serdes.string(), replySerde as unknown as Serde<Reply>, {
  partitioner: (_, __, reply) => reply?.to.partition ?? null,
})

/** The steps that look into a payload and cannot wait for it. An output writes it for other applications, which have no claim store. */
const readsAtOnce: ReadonlySet<Step['kind']> = new Set(['value', 'stream', 'loop', 'output'])

/** The steps that keep payloads in a store until others have come. */
const keepingJoins: ReadonlySet<Step['kind']> = new Set(['join', 'merge'])

/** The steps whose bees compute with their input, or write it under a bound of their own. */
const computing: ReadonlySet<Step['kind']> = new Set(['value', 'call', 'stream', 'output'])

/** The kinds of steps that forward their input unchanged. */
const passing: ReadonlySet<Step['kind']> = new Set(['branch', 'loop', 'unanswered', 'cache-key'])

/** The steps that write dead letters. */
const deadLetterSteps: ReadonlySet<Step['kind']> = new Set(['accept', 'call', 'value', 'loop', 'stream'])

const dueStore = (store: string): string => `${store}-due`

/** The strictest of these batch policies: it closes a batch as soon as any of them would. Null without a policy. */
function tightest(policies: readonly (BatchPolicy | null)[]): BatchPolicy | null {
  const [first, ...others] = policies.filter((policy) => policy !== null)
  if (first === undefined) return null
  return others.reduce<BatchPolicy>(
    (one, { size, timeoutMs, release, targetMs = one.targetMs }) => ({
      size: Math.min(one.size, size),
      timeoutMs: Math.min(one.timeoutMs, timeoutMs),
      release: release === 'idle' ? 'idle' : one.release,
      ...(targetMs === undefined ? {} : { targetMs: Math.min(one.targetMs ?? targetMs, targetMs) }),
    }),
    first,
  )
}
