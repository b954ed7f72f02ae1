import { Topology } from '../graph.ts'
import { deadLetterTopic } from '../naming.ts'
import { deadlineHeader, requestIdHeader } from '../operators/accept.ts'
import type { Transform, TransformOutput } from '../operators/transform.ts'
import { Produced } from '../produced.ts'
import { type Record, textHeader } from '../record.ts'
import type { HandingSerde, Serde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import { type KeptStore, keyValueStore } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { beeError, isFailure } from './bee-error.ts'
import type { BeeHost } from './bee-host.ts'
import { beeStep, deadlineOf, outputRecord } from './bee-step.ts'
import type { SwarmBee } from './checked-swarm.ts'
import { deadLetter } from './dead-letter.ts'
import { joinEntrySerde, requestEntrySerde } from './entry-serdes.ts'
import type { Payload } from './payload.ts'
import { edgePayload, payloadSerde } from './payload-serde.ts'
import type { Step, SubtopologyPlan, SwarmPlan } from './plan.ts'
import { markedPrediction } from './prediction-serde.ts'
import { namedReplyTopic, type Reply, replySerde } from './reply.ts'
import type { ReplyTopics } from './reply-topics.ts'

export interface GraphSettings {
  /** How long an id is known and an answer kept. */
  readonly answersRetentionMs: number
  /** The log may repeat records: joins remember what they sent this long. Null: it never does. */
  readonly duplicateRetentionMs: number | null
  /** Predictions in their own form, on these topics (`predictionSerde`); null: they are JSON. */
  readonly predictions: { readonly serde: HandingSerde<Payload>; readonly topics: ReadonlySet<string> } | null
  /** Where answers may go that a record says itself. */
  readonly replyTopics: ReplyTopics
}

/** A plan as a topology that the engine runs. */
export function swarmTopology(plan: SwarmPlan, host: BeeHost, settings: GraphSettings): Topology {
  const topology = new Topology()
  const bees = new Map(plan.bees.map((bee) => [bee.name, bee]))
  for (const subtopology of plan.subtopologies) new SubtopologyBuilder(topology, plan, subtopology, bees, host, settings).build()
  return topology
}

class SubtopologyBuilder {
  readonly #topology: Topology
  readonly #plan: SwarmPlan
  readonly #subtopology: SubtopologyPlan
  readonly #bees: ReadonlyMap<string, SwarmBee>
  readonly #host: BeeHost
  readonly #settings: GraphSettings
  readonly #deadLetters: string
  readonly #payloads: HandingSerde<Payload>
  /** By step, in their order: the steps that it feeds. */
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
    this.#payloads = settings.predictions?.serde ?? payloadSerde
    for (const { name, parents } of subtopology.steps) for (const parent of parents) this.#childrenOf(parent).push(name)
  }

  build(): void {
    const { steps } = this.#subtopology
    for (const step of steps) this.#add(step)
    const failing = steps.flatMap((step) => (step.kind === 'call' || step.kind === 'value' || step.kind === 'accept' ? [step.name] : []))
    if (failing.length > 0) this.#topology.addSink(this.#deadLetters, deadLetterTopic(this.#plan.swarm), failing, this.#written)
  }

  #add(step: Step): void {
    const { name, parents } = step
    const children = this.#childrenOf(name)
    switch (step.kind) {
      case 'source':
        // Only at an entrance may anybody write records without key or value.
        this.#topology.addSourceWith(name, step.topics, {
          key: Serdes.string(),
          value: this.#read(name),
          isShared: true,
          refusesNulls: !this.#isEntrance(name),
        })
        return
      case 'sink':
        this.#addSink(name, step.topic, parents)
        return
      case 'accept': {
        const acceptedChild = `${name}.accepted`
        const requestChildren = children.filter((child) => child !== acceptedChild)
        const { gateway, bee } = step
        const { replyTopics } = this.#settings
        const deadLetterChild = this.#deadLetters
        this.#topology.addOperator(name, { op: 'accept', gateway, bee, acceptedChild, requestChildren, deadLetterChild, replyTopics }, parents)
        return
      }
      case 'call': {
        const bee = this.#bee(step.bee)
        const batch = this.#host.batchOf(step.batch === null ? bee : this.#bee(step.batch))
        this.#topology.addAsync(name, beeStep({ bee, host: this.#host, batch, children, deadLetters: this.#deadLetters }), parents)
        if (bee.gpu > 0) this.#topology.requireCapabilities(name, { gpu: bee.gpu })
        return
      }
      case 'output':
        this.#topology.addOperator(
          name,
          { op: 'transform', apply: (record) => outgoing(record as Record<string, Payload>, `${name}.topic`) },
          parents,
        )
        this.#topology.addSink(`${name}.topic`, step.topic, [name], this.#written)
        return
      case 'value':
        this.#topology.addOperator(name, this.#value(this.#bee(step.bee), children), parents)
        return
      case 'deduplicate': {
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: Serdes.long() }))
        this.#topology.addOperator(
          name,
          { op: 'deduplicate', store: step.store, dueStore: dueStore(step.store), retentionMs: this.#settings.answersRetentionMs },
          parents,
          { stores },
        )
        return
      }
      case 'join': {
        const bee = this.#bee(step.bee)
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: joinEntrySerde }))
        this.#topology.addOperator(
          name,
          {
            op: 'join-by-key',
            inputs: step.inputs,
            store: step.store,
            dueStore: dueStore(step.store),
            timeoutMs: bee.timeoutMs ?? defaultJoinMs,
            duplicateRetentionMs: this.#settings.duplicateRetentionMs,
            deadlineOf,
            combine: (parts, missing) => joined(bee, step.inputs, parts, missing),
          },
          parents,
          { stores },
        )
        return
      }
      case 'ledger': {
        const stores = this.#stores(keyValueStore({ name: step.store, key: Serdes.string(), value: requestEntrySerde }))
        const { store, waitsFor } = step
        const replyChild = `${name}.replies`
        this.#topology.addOperator(
          name,
          {
            op: 'request-ledger',
            store,
            dueStore: dueStore(store),
            retentionMs: this.#settings.answersRetentionMs,
            waitsFor,
            bee: name,
            outcomeChildren: children,
            replyChild,
            replyTopics: this.#settings.replyTopics,
          },
          parents,
          { stores },
        )
        this.#topology.addSink(replyChild, (_: string, reply: Reply) => reply.to.topic, [name], repliesWritten)
      }
    }
  }

  #addSink(name: string, topic: string, parents: readonly string[]): void {
    if (!this.#settings.predictions?.topics.has(topic)) {
      this.#topology.addSink(name, topic, parents, this.#written)
      return
    }
    const child = `${name}.topic`
    this.#topology.addOperator(name, { op: 'transform', apply: (record) => [{ record: markedPrediction(record), child }] }, parents)
    this.#topology.addSink(child, topic, [name], this.#written)
  }

  /**
   * A gateway reads what strangers wrote. What is not known of a topic that a record wants its answer on is found out before the record is read.
   */
  #read(source: string): HandingSerde<Payload> {
    if (!this.#isEntrance(source)) return this.#payloads
    const { replyTopics } = this.#settings
    return {
      ...this.#payloads,
      deserialize: (_, data, headers = []) => edgePayload(data, headers),
      prepare(_, __, headers = []) {
        const topic = namedReplyTopic(headers)
        return topic === null || !replyTopics.allows(topic) || replyTopics.partitionsOf(topic) !== undefined ? null : replyTopics.look(topic)
      },
    }
  }

  #isEntrance(source: string): boolean {
    return this.#subtopology.steps.some(({ kind, parents }) => kind === 'accept' && parents.includes(source))
  }

  get #written(): Produced<string, Payload> {
    return Produced.with(Serdes.string(), this.#payloads)
  }

  #value(bee: SwarmBee, children: readonly string[]): Transform {
    const compute = this.#host.valueOf(bee)
    return {
      op: 'transform',
      apply: (any, place, now) => {
        const record = any as Record<string, Payload>
        if (record.value.kind === 'error') return children.map((child) => ({ record, child }))
        try {
          const value = compute(record.value, { id: record.key, headers: record.headers, place })
          const output = outputRecord(record, value, { startedAt: now, finishedAt: now, batchSize: 1, attempts: 1 })
          return children.map((child) => ({ record: output, child }))
        } catch (thrown) {
          const cause = WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: `Look at what ${bee.name} was given.` })
          const error = beeError(cause, bee.name)
          const letters = isFailure(error.error)
            ? [{ record: deadLetter(record, cause, bee.name, { recordMetadata: place }), child: this.#deadLetters }]
            : []
          return [...letters, ...children.map((child) => ({ record: outputRecord(record, error, null), child }))]
        }
      },
    }
  }

  /** With the store that keeps its due times in order. */
  #stores(store: KeptStore): readonly KeptStore[] {
    return [store, { ...keyValueStore({ name: dueStore(store.name), key: Serdes.string(), value: Serdes.string() }), removedLast: true }]
  }

  #childrenOf(name: string): string[] {
    const children = this.#children.get(name) ?? []
    this.#children.set(name, children)
    return children
  }

  #bee(name: string): SwarmBee {
    const bee = this.#bees.get(name)
    if (bee === undefined)
      throw new WaggleError('WAGGLE_INTERNAL', { message: `The plan names ${name}, which is no bee`, next: 'Report this as a bug.' })
    return bee
  }
}

const repliesWritten = Produced.with<string, Reply>(Serdes.string(), replySerde as unknown as Serde<Reply>, {
  partitioner: (_, __, reply) => reply?.to.partition ?? null,
})

const defaultJoinMs = 30_000
const dueStore = (store: string): string => `${store}-due`

/** As others read it: with the request's own headers, and nothing of how it came about. */
function outgoing({ key, value, timestamp, headers }: Record<string, Payload>, child: string): readonly TransformOutput[] {
  if (value.kind === 'error') return []
  const kept = headers.filter((header) => !header.key.startsWith('waggle-') || header.key === deadlineHeader)
  return [{ record: { key, value, timestamp, headers: [...kept, textHeader(requestIdHeader, key)] }, child }]
}

/** The input of a bee that joins, or an error in its place. */
function joined(
  bee: SwarmBee,
  inputs: readonly { readonly name: string }[],
  parts: ReadonlyMap<string, Payload>,
  missing: readonly string[],
): Payload {
  if (missing.length > 0 && bee.onTimeout === 'fail') {
    return {
      kind: 'error',
      error: {
        code: 'WAGGLE_JOIN_TIMEOUT',
        status: 504,
        title: 'Not all inputs came in time',
        detail: `${bee.name} waited in vain for ${missing.join(', ')}`,
        bee: bee.name,
      },
    }
  }
  const ordered = new Map(inputs.flatMap(({ name }) => (parts.has(name) ? [[name, parts.get(name) as Payload] as const] : [])))
  const errors = [...ordered.values()].filter((part) => part.kind === 'error')
  const [first] = errors
  if (first !== undefined && (bee.onError === 'fail' || errors.length === ordered.size)) return first
  return { kind: 'joined', parts: ordered }
}
