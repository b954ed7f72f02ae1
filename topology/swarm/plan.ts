import { applicationIdOf, beeTopic, deadLetterTopic, gatewayTopic, internalTopic, repartitionTopic } from '../naming.ts'
import type { TopicSpec } from '../topic.ts'
import type { CheckedSwarm, SwarmBee } from './checked-swarm.ts'
import type { Cut } from './cut.ts'
import { enumerated } from './enumerated.ts'

/** The result of compiling a swarm: which bees share a sub-topology, which topics lie between them, and the reason of each cut. */
export interface SwarmPlan {
  readonly swarm: string
  readonly applicationId: string
  readonly bees: readonly SwarmBee[]
  readonly subtopologies: readonly SubtopologyPlan[]
  readonly topics: readonly PlannedTopic[]
  readonly gateways: readonly { readonly gateway: string; readonly bee: string; readonly topic: string }[]
  /** The topic of outcomes; null where no bee answers. */
  readonly respondTopic: string | null
  /** The topic that brings answers to the process that waits for them; null where there is only one process. */
  readonly answersTopic: string | null
  /** The topic that tells the ledger about each accepted request. */
  readonly acceptedTopic: string
}

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

export interface PlannedTopic extends TopicSpec {
  readonly writers: readonly string[]
  readonly readers: readonly string[]
  /** Another application owns the topic. Waggle uses it as it is. */
  readonly isForeign: boolean
}

/** One node of the planned graph. `parents` are names of earlier steps. */
export type Step = { readonly name: string; readonly parents: readonly string[] } & (
  | { readonly kind: 'source'; readonly topics: readonly string[] }
  /** Gives requests their ids, and tells the ledger about them through the accepted topic. */
  | { readonly kind: 'accept'; readonly gateway: string; readonly bee: string }
  | { readonly kind: 'call'; readonly bee: string; readonly batch: string | null }
  | { readonly kind: 'value'; readonly bee: string }
  | { readonly kind: 'deduplicate'; readonly store: string }
  | {
      readonly kind: 'join'
      readonly bee: string
      readonly store: string
      readonly inputs: readonly { readonly name: string; readonly topic: string }[]
    }
  | { readonly kind: 'ledger'; readonly store: string; readonly waitsFor: readonly string[] }
  | { readonly kind: 'sink'; readonly topic: string }
  /** Writes to a topic of another application. */
  | { readonly kind: 'output'; readonly bee: string; readonly topic: string }
)

export interface PlanSettings {
  readonly partitions: number
  readonly retentionMs: number
  /** Bytes of the records of each topic; null: no limit. */
  readonly retentionBytes: number | null
  /** Null where there is only one process. */
  readonly answerPartitions: number | null
}

export const ledgerStore = 'requests'

export function planSwarm(swarm: CheckedSwarm, settings: PlanSettings): SwarmPlan {
  return new Planner(swarm, settings).plan()
}

/** Retention of the answers topic. Older answers are useless: every caller that waits is connected now. */
const answersKeptMs = 600_000

interface Reader {
  readonly bee: SwarmBee
  readonly batch: SwarmBee | null
}

/** The nodes before a bee in its own sub-topology. */
interface Chain {
  readonly isGateway: boolean
  readonly hasState: boolean
  /** The sub-topology runs only on machines with a GPU. Until there is one, it cannot answer queries. */
  readonly needsGpu: boolean
}

interface Beginning {
  /** Null: the bee is fused with its feeder. */
  readonly cut: Cut | null
  readonly chain: Chain
}

const nothingBefore: Chain = { isGateway: false, hasState: false, needsGpu: false }

class Planner {
  readonly #swarm: CheckedSwarm
  readonly #settings: PlanSettings
  readonly #byName: ReadonlyMap<string, SwarmBee>
  readonly #applicationId: string
  readonly #accepted: string
  readonly #topics = new Map<string, { writers: Set<string>; readers: Set<string> }>()
  /** The bees that read each bee, in the file's order. */
  readonly #namedBy: ReadonlyMap<string, readonly SwarmBee[]>
  /** The readers of each bee, with batches looked through. */
  readonly #readers = new Map<string, readonly Reader[]>()
  /** The reason why a sub-topology begins at each bee, and the chain up to that bee in its sub-topology. */
  readonly #beginnings = new Map<string, Beginning>()

  constructor(swarm: CheckedSwarm, settings: PlanSettings) {
    this.#swarm = swarm
    this.#settings = settings
    this.#byName = new Map(swarm.bees.map((bee) => [bee.name, bee]))
    this.#namedBy = namedBy(swarm.bees)
    this.#applicationId = applicationIdOf(swarm.name)
    this.#accepted = repartitionTopic(this.#applicationId, 'accepted')
  }

  plan(): SwarmPlan {
    const { name: swarm, bees } = this.#swarm
    const subtopologies = bees.flatMap((bee) => this.#startingAt(bee))
    if (!bees.some(({ type }) => type.role === 'respond')) subtopologies.push(this.#ledgerAlone())
    const respond = bees.find(({ type }) => type.role === 'respond')
    for (const bee of bees) if (['gateway', 'call', 'sink', 'value'].includes(bee.type.role)) this.#writes(deadLetterTopic(swarm), bee.name)
    const { answerPartitions } = this.#settings
    const answersTopic = answerPartitions === null ? null : internalTopic(this.#applicationId, 'answers')
    if (answersTopic !== null) this.#writes(answersTopic, respond?.name ?? 'ledger')
    const foreign = new Set(bees.map(topicOf))
    return {
      swarm,
      applicationId: this.#applicationId,
      bees,
      subtopologies: subtopologies.map((subtopology, id) => ({ ...subtopology, id })),
      topics: [...this.#topics].map(([name, { writers, readers }]) => ({
        name,
        partitions: name === answersTopic && answerPartitions !== null ? answerPartitions : this.#settings.partitions,
        cleanup: 'delete',
        retentionMs: name === answersTopic ? Math.min(answersKeptMs, this.#settings.retentionMs) : this.#settings.retentionMs,
        retentionBytes: this.#settings.retentionBytes,
        writers: [...writers],
        readers: [...readers],
        isForeign: foreign.has(name),
      })),
      gateways: bees
        .filter((bee) => bee.type.role === 'gateway' && topicOf(bee) === null)
        .map((bee) => ({ gateway: gatewayOf(bee), bee: bee.name, topic: gatewayTopic(gatewayOf(bee)) })),
      respondTopic: respond === undefined ? null : beeTopic(swarm, respond.name),
      answersTopic,
      acceptedTopic: this.#accepted,
    }
  }

  /** The sub-topologies whose first bee this is. None where the bee is fused with its feeder, or is a batch. */
  #startingAt(bee: SwarmBee): SubtopologyPlan[] {
    if (bee.type.role === 'batch') return []
    const cut = this.#cutBefore(bee)
    if (cut === null) return []
    const draft = new Draft()
    if (bee.input?.kind === 'join' && (bee.type.role === 'call' || bee.type.role === 'sink')) {
      const topic = repartitionTopic(this.#applicationId, `${bee.name}-join`)
      this.#join(draft, bee)
      this.#sink(draft, topic, bee.name, `${bee.name}.join-sink`)
      const after = new Draft()
      this.#source(after, [topic], bee.name, `${bee.name}.joined`)
      this.#chain(after, bee, null)
      const behindJoin: Cut = {
        kind: 'call-behind-join',
        reason: `in front of ${bee.name}, which takes time and would have its join’s state before it`,
      }
      return [draft.done(cut), after.done(behindJoin)]
    }
    if (bee.type.role === 'gateway') {
      const topic = topicOf(bee) ?? gatewayTopic(gatewayOf(bee))
      this.#source(draft, [topic], bee.name)
      this.#writes(topic, 'producers')
      draft.add(bee.name, { kind: 'accept', gateway: gatewayOf(bee), bee: bee.name })
      this.#writes(this.#accepted, bee.name)
      draft.also(`${bee.name}.accepted`, bee.name, { kind: 'sink', topic: this.#accepted })
      this.#follow(draft, bee, { isGateway: true, hasState: false, needsGpu: false })
    } else if (bee.input?.kind === 'join') {
      this.#join(draft, bee)
      this.#chain(draft, bee, null)
    } else {
      const { topics, batch } = this.#inputTopics(bee)
      this.#source(draft, topics, bee.name)
      this.#chain(draft, bee, batch)
    }
    return [draft.done(cut)]
  }

  /** Adds the bee's own step and the steps of the bees that are fused behind it. */
  #chain(draft: Draft, bee: SwarmBee, batch: SwarmBee | null): void {
    if (batch !== null) draft.bees.add(batch.name)
    this.#step(draft, bee, batch)
    this.#follow(draft, bee, { isGateway: false, hasState: draft.hasState, needsGpu: bee.gpu > 0 })
  }

  #step(draft: Draft, bee: SwarmBee, batch: SwarmBee | null): void {
    switch (bee.type.role) {
      case 'call':
      case 'sink':
        draft.add(bee.name, { kind: 'call', bee: bee.name, batch: batch?.name ?? null })
        return
      case 'value':
        draft.add(bee.name, { kind: 'value', bee: bee.name })
        return
      case 'output': {
        const topic = topicOf(bee) ?? beeTopic(this.#swarm.name, bee.name)
        this.#writes(topic, bee.name)
        draft.add(bee.name, { kind: 'output', bee: bee.name, topic })
        return
      }
      case 'respond':
        this.#ledger(draft, bee)
        return
      case 'gateway':
      case 'batch':
    }
  }

  #follow(draft: Draft, from: SwarmBee, chain: Chain): void {
    let bee = from
    let next = this.#fusedAfter(bee, chain)
    while (next !== null) {
      this.#step(draft, next, null)
      bee = next
      next = this.#fusedAfter(bee, chain)
    }
    if (givesNothingOn.has(bee.type.role)) return
    if (chain.isGateway) draft.add(`${from.name}.deduplicate`, { kind: 'deduplicate', store: `${from.name}-seen` })
    this.#sink(draft, beeTopic(this.#swarm.name, bee.name), bee.name)
  }

  /** A bee behind a batch reads the bee in front of the batch. A batch never reads a batch. */
  #readersOf(bee: SwarmBee): readonly Reader[] {
    const known = this.#readers.get(bee.name)
    if (known !== undefined) return known
    const readers = (this.#namedBy.get(bee.name) ?? []).flatMap((reader): readonly Reader[] =>
      reader.type.role === 'batch'
        ? (this.#namedBy.get(reader.name) ?? []).map((behind) => ({ bee: behind, batch: reader }))
        : [{ bee: reader, batch: null }],
    )
    this.#readers.set(bee.name, readers)
    return readers
  }

  #fusedAfter(bee: SwarmBee, chain: Chain): SwarmBee | null {
    const [reader, ...others] = this.#readersOf(bee)
    if (reader === undefined || others.length > 0) return null
    return this.#reasonToCut(bee, reader, chain) === null ? reader.bee : null
  }

  /** Null: they may share a sub-topology. */
  #reasonToCut(from: SwarmBee, { bee, batch }: Reader, chain: Chain): Cut | null {
    const inputs = bee.input?.bees ?? []
    if (bee.input?.kind === 'join') return { kind: 'join', reason: `at a join: ${bee.name} waits for ${enumerated(inputs, inputs.length)}` }
    if (bee.input?.kind === 'stack')
      return { kind: 'stack', reason: `at a stack: ${bee.name} takes each of ${enumerated(inputs, inputs.length)} as it comes` }
    const readers = this.#readersOf(from)
    if (readers.length > 1) {
      const names = readers.slice(0, 100).map((reader) => reader.bee.name)
      return { kind: 'fan-out', reason: `at a fan-out: ${enumerated(names, readers.length)} read ${from.name}, each at its own pace` }
    }
    if (batch !== null) return { kind: 'batch', reason: `in front of a batch: ${batch.name} fills ${bee.name}’s batches from what waits` }
    if (bee.gpu > 0) return { kind: 'gpu', reason: `in front of ${bee.name}, which goes only where a GPU is` }
    const { role } = bee.type
    if (role === 'sink') return { kind: 'sink', reason: `in front of a sink: ${bee.name} may wait without holding up what feeds it` }
    if (role === 'call' && chain.hasState)
      return { kind: 'call-behind-state', reason: `in front of ${bee.name}, which takes time and would have state before it` }
    if (role === 'output' && chain.isGateway)
      return { kind: 'output-behind-gateway', reason: `behind the gateway: what ${bee.name} writes was let through once` }
    if (role === 'respond' && chain.needsGpu)
      return { kind: 'ledger-behind-gpu', reason: `behind what goes only where a GPU is: the ledger of ${bee.name} is kept anywhere` }
    if (role === 'respond' && chain.isGateway)
      return { kind: 'ledger-behind-gateway', reason: `behind the gateway: the ledger of ${bee.name} is kept by request id` }
    return null
  }

  /** The reason why a sub-topology begins at this bee, or null where the bee is fused with its feeder. */
  #cutBefore(bee: SwarmBee): Cut | null {
    return this.#beginningOf(bee).cut
  }

  /** Visits each bee once, after its feeder, without recursion: chains are longer than the call stack is deep. */
  #beginningOf(bee: SwarmBee): Beginning {
    const unknown: SwarmBee[] = []
    for (let at: SwarmBee | null = bee; at !== null && !this.#beginnings.has(at.name); at = this.#feederOf(at).source) unknown.push(at)
    for (const one of unknown.reverse()) this.#beginnings.set(one.name, this.#beginning(one))
    return this.#beginnings.get(bee.name) ?? { cut: null, chain: nothingBefore }
  }

  /** Computes a bee's beginning. Its feeder's beginning must be known. */
  #beginning(bee: SwarmBee): Beginning {
    if (bee.type.role === 'gateway') {
      const cut: Cut = { kind: 'gateway', reason: `at the gateway: requests enter by ${topicOf(bee) ?? gatewayTopic(gatewayOf(bee))}` }
      return { cut, chain: { isGateway: true, hasState: false, needsGpu: false } }
    }
    const { source, batch } = this.#feederOf(bee)
    const needsGpu = bee.gpu > 0
    if (source === null || bee.input === null) return { cut: null, chain: { ...nothingBefore, needsGpu } }
    const before = bee.input.kind === 'name' ? (this.#beginnings.get(source.name)?.chain ?? nothingBefore) : nothingBefore
    const cut = this.#reasonToCut(source, { bee, batch }, before)
    if (bee.input.kind === 'join') return { cut, chain: { isGateway: false, hasState: bee.type.role !== 'call', needsGpu } }
    return { cut, chain: cut === null ? before : { ...nothingBefore, needsGpu } }
  }

  /** The bee that the first input comes from, and the batch between the two. */
  #feederOf(bee: SwarmBee): { readonly source: SwarmBee | null; readonly batch: SwarmBee | null } {
    const first = bee.input?.bees[0]
    return first === undefined ? { source: null, batch: null } : this.#behindBatch(first)
  }

  #behindBatch(name: string): { source: SwarmBee | null; batch: SwarmBee | null } {
    const bee = this.#byName.get(name) ?? null
    if (bee?.type.role !== 'batch') return { source: bee, batch: null }
    const feeder = bee.input?.bees[0]
    return { source: feeder === undefined ? null : (this.#byName.get(feeder) ?? null), batch: bee }
  }

  #inputTopics(bee: SwarmBee): { topics: readonly string[]; batch: SwarmBee | null } {
    let batch: SwarmBee | null = null
    const topics = (bee.input?.bees ?? []).map((name) => {
      const behind = this.#behindBatch(name)
      batch ??= behind.batch
      return beeTopic(this.#swarm.name, behind.source?.name ?? name)
    })
    return { topics, batch }
  }

  #join(draft: Draft, bee: SwarmBee): void {
    const inputs = (bee.input?.bees ?? []).map((name) => ({ name, topic: beeTopic(this.#swarm.name, name) }))
    this.#source(
      draft,
      inputs.map(({ topic }) => topic),
      bee.name,
    )
    draft.bees.add(bee.name)
    draft.add(`${bee.name}.join`, { kind: 'join', bee: bee.name, store: `${bee.name}-join`, inputs })
  }

  #ledger(draft: Draft, respond: SwarmBee): void {
    const before = draft.steps.find(({ kind }) => kind === 'join')
    const waitsFor =
      before?.kind === 'join' ? before.inputs.map(({ name }) => name) : draft.sourceTopics.map((topic) => topic.slice(topic.lastIndexOf('.') + 1))
    this.#reads(this.#accepted, respond.name)
    draft.beside(`${respond.name}.accepted`, { kind: 'source', topics: [this.#accepted] })
    draft.add(respond.name, { kind: 'ledger', store: ledgerStore, waitsFor }, [`${respond.name}.accepted`])
    this.#sink(draft, beeTopic(this.#swarm.name, respond.name), respond.name)
  }

  /** The ledger of a swarm without a respond bee. It keeps which requests there are. */
  #ledgerAlone(): SubtopologyPlan {
    const draft = new Draft()
    const name = this.#byName.has('ledger') ? '.ledger' : 'ledger'
    this.#source(draft, [this.#accepted], 'ledger', this.#sourceOf(name))
    draft.add(name, { kind: 'ledger', store: ledgerStore, waitsFor: [] })
    return { ...draft.done({ kind: 'ledger-alone', reason: 'the ledger of requests, kept by request id' }), bees: [] }
  }

  #source(draft: Draft, topics: readonly string[], reader: string, step = this.#sourceOf(reader)): void {
    for (const topic of topics) this.#reads(topic, reader)
    draft.add(step, { kind: 'source', topics })
  }

  /** A source's name is also part of a consumer group's name, so it must not change. Every other step's name has a dot, which no bee's name has. */
  #sourceOf(reader: string): string {
    const name = `${reader}-source`
    return this.#byName.has(name) ? `${reader}.source` : name
  }

  #sink(draft: Draft, topic: string, writer: string, step = `${writer}.sink`): void {
    this.#writes(topic, writer)
    draft.add(step, { kind: 'sink', topic })
  }

  #reads(topic: string, reader: string): void {
    this.#topic(topic).readers.add(reader)
  }

  #writes(topic: string, writer: string): void {
    this.#topic(topic).writers.add(writer)
  }

  #topic(name: string): { writers: Set<string>; readers: Set<string> } {
    const topic = this.#topics.get(name) ?? { writers: new Set(), readers: new Set() }
    this.#topics.set(name, topic)
    return topic
  }
}

type StepBody = Step extends infer S ? (S extends Step ? Omit<S, 'name' | 'parents'> : never) : never

/** A sub-topology under construction: each step goes behind the last one. */
class Draft {
  readonly bees = new Set<string>()
  readonly steps: Step[] = []
  #last: string | null = null

  get hasState(): boolean {
    return this.steps.some(({ kind }) => kind === 'join' || kind === 'deduplicate' || kind === 'ledger')
  }

  get sourceTopics(): readonly string[] {
    return this.steps.flatMap((step) => (step.kind === 'source' ? step.topics : []))
  }

  add(name: string, body: StepBody, alsoFrom: readonly string[] = []): void {
    const parents = [...(this.#last === null || body.kind === 'source' ? [] : [this.#last]), ...alsoFrom]
    this.steps.push({ ...body, name, parents } as Step)
    this.#last = name
    if ('bee' in body) this.bees.add(body.bee)
    if (body.kind === 'ledger') this.bees.add(name)
  }

  /** Adds a step below `parent`. The next `add` still goes behind the last step. */
  also(name: string, parent: string, body: StepBody): void {
    this.steps.push({ ...body, name, parents: [parent] } as Step)
  }

  beside(name: string, body: StepBody): void {
    this.steps.push({ ...body, name, parents: [] } as Step)
  }

  done(cut: Cut): SubtopologyPlan {
    return {
      id: 0,
      bees: [...this.bees],
      sources: [...new Set(this.sourceTopics)],
      sinks: [...new Set(this.steps.flatMap((step) => (step.kind === 'sink' || step.kind === 'output' ? [step.topic] : [])))],
      stores: this.steps.flatMap((step) => ('store' in step ? [step.store] : [])),
      cut,
      steps: this.steps,
    }
  }
}

function namedBy(bees: readonly SwarmBee[]): ReadonlyMap<string, readonly SwarmBee[]> {
  const readers = new Map<string, SwarmBee[]>()
  for (const bee of bees) {
    for (const name of new Set(bee.input?.bees)) {
      const known = readers.get(name)
      if (known === undefined) readers.set(name, [bee])
      else known.push(bee)
    }
  }
  return readers
}

const givesNothingOn: ReadonlySet<string> = new Set(['sink', 'respond', 'output'])

/** The topic of another application that a bee reads or writes; null where it has none. */
function topicOf({ type, spec }: SwarmBee): string | null {
  return (type.role === 'gateway' || type.role === 'output') && typeof spec.topic === 'string' ? spec.topic : null
}

function gatewayOf(bee: SwarmBee): string {
  return typeof bee.spec.name === 'string' ? bee.spec.name : bee.name
}
