import type { TopicSpec } from '../../topic.ts'
import { applicationIdOf, beeTopic, deadLetterTopic, gatewayTopic, internalTopic, repartitionTopic } from '../../topic-names.ts'
import { returningRoles } from '../bee-type.ts'
import { type AnswerWay, answerWays, unansweringBees } from '../check/answering-bees.ts'
import { BranchGraph } from '../check/branch-graph.ts'
import { type CheckedSwarm, gatewayOf, type SwarmBee, topicOf } from '../checked-swarm.ts'
import { type Chain, type Cut, Cuts } from './cuts.ts'
import { withShadows } from './shadow-bees.ts'
import { SubtopologyDraft } from './subtopology-draft.ts'
import type { JoinInput, SubtopologyPlan } from './subtopology-plan.ts'

/** The result of compiling a swarm: which bees share a sub-topology, which topics connect them, and the reason for each cut. */
export interface SwarmPlan {
  readonly swarm: string
  readonly applicationId: string
  readonly bees: readonly SwarmBee[]
  readonly subtopologies: readonly SubtopologyPlan[]
  readonly topics: readonly PlannedTopic[]
  readonly gateways: readonly { readonly gateway: string; readonly bee: string; readonly topic: string }[]
  /** The topic of outcomes; null if no bee answers. */
  readonly outcomesTopic: string | null
  /** The topic that brings answers to the process whose caller waits; null if there is only one process. */
  readonly repliesTopic: string | null
  /** The topic that tells the ledger about each accepted request. */
  readonly acceptedTopic: string
  /** The topic of the parts that bees publish while they work; null if no bee may publish parts. */
  readonly partsTopic: string | null
  /** For each bee that may answer by itself: the way of its answer. */
  readonly answerWays: ReadonlyMap<string, AnswerWay>
}

export interface PlannedTopic extends TopicSpec {
  readonly writers: readonly string[]
  readonly readers: readonly string[]
  /** True if another application owns the topic. Waggle does not change the topic. */
  readonly isForeign: boolean
}

export interface PlanSettings {
  readonly partitions: number
  readonly retentionMs: number
  /** The most bytes of the records of each topic; null: no limit. */
  readonly retentionBytes: number | null
  /** The number of partitions of the topic that brings answers to the processes; null if there is only one process. */
  readonly answerPartitions: number | null
}

export const ledgerStore = 'requests'

export function planSwarm(swarm: CheckedSwarm, settings: PlanSettings): SwarmPlan {
  return new Planner({ ...swarm, bees: withShadows(swarm.bees) }, settings).plan()
}

/** The retention of the answers topic. A caller waits on a connection, so older answers are useless. */
const answersKeptMs = 600_000

/** The least time for which parts of calls stay. A run that continues a call reads the parts of earlier runs. */
const leastPartsAgeMs = 600_000

class Planner {
  readonly #swarm: CheckedSwarm
  readonly #settings: PlanSettings
  readonly #byName: ReadonlyMap<string, SwarmBee>
  readonly #applicationId: string
  readonly #accepted: string
  readonly #topics = new Map<string, { writers: Set<string>; readers: Set<string> }>()
  readonly #cuts: Cuts
  readonly #unanswering: ReadonlySet<string>

  constructor(swarm: CheckedSwarm, settings: PlanSettings) {
    this.#swarm = swarm
    this.#settings = settings
    this.#byName = new Map(swarm.bees.map((bee) => [bee.name, bee]))
    this.#cuts = new Cuts(swarm.bees)
    this.#unanswering = unansweringBees(swarm.bees)
    this.#applicationId = applicationIdOf(swarm.name)
    this.#accepted = repartitionTopic(this.#applicationId, 'accepted')
  }

  plan(): SwarmPlan {
    const { name: swarm, bees } = this.#swarm
    const subtopologies = bees.flatMap((bee) => this.#startingAt(bee))
    if (!bees.some(({ type }) => type.role === 'respond')) subtopologies.push(this.#ledgerAlone())
    const respond = bees.find(({ type }) => type.role === 'respond')
    for (const bee of bees)
      if (['gateway', 'call', 'sink', 'value', 'loop', 'stream'].includes(bee.type.role)) this.#writes(deadLetterTopic(swarm), bee.name)
    const ways = answerWays(bees)
    for (const [bee, way] of ways) if (way === 'direct') this.#writes(this.#accepted, bee)
    const { answerPartitions } = this.#settings
    const repliesTopic = answerPartitions === null ? null : internalTopic(this.#applicationId, 'answers')
    if (repliesTopic !== null) this.#writes(repliesTopic, respond?.name ?? 'ledger')
    const publishing = bees.filter(({ type, shadows }) => type.givesParts === true && shadows === undefined)
    const partsTopic = publishing.length === 0 ? null : internalTopic(this.#applicationId, 'parts')
    if (partsTopic !== null) for (const { name } of publishing) this.#writes(partsTopic, name)
    const foreign = new Set(bees.map(topicOf))
    return {
      swarm,
      applicationId: this.#applicationId,
      bees,
      subtopologies: subtopologies.map((subtopology, id) => ({ ...subtopology, id })),
      topics: [...this.#topics].map(([name, { writers, readers }]) => ({
        name,
        partitions: name === repliesTopic && answerPartitions !== null ? answerPartitions : this.#settings.partitions,
        cleanup: 'delete',
        retentionMs: name === repliesTopic ? Math.min(answersKeptMs, this.#settings.retentionMs) : this.#settings.retentionMs,
        retentionBytes: this.#settings.retentionBytes,
        ...(name === partsTopic ? { leastAgeMs: Math.max(leastPartsAgeMs, ...publishing.map(({ timeoutMs }) => timeoutMs ?? 0)) } : {}),
        writers: [...writers],
        readers: [...readers],
        isForeign: foreign.has(name),
      })),
      gateways: bees
        .filter((bee) => bee.type.role === 'gateway' && topicOf(bee) === null)
        .map((bee) => ({ gateway: gatewayOf(bee), bee: bee.name, topic: gatewayTopic(gatewayOf(bee)) })),
      outcomesTopic: respond === undefined ? null : beeTopic(swarm, respond.name),
      repliesTopic,
      acceptedTopic: this.#accepted,
      partsTopic,
      answerWays: ways,
    }
  }

  /** The sub-topologies that begin at this bee. None for a batch, and for a bee in its feeder's sub-topology. */
  #startingAt(bee: SwarmBee): SubtopologyPlan[] {
    if (bee.type.role === 'batch') return []
    const cut = this.#cuts.cutBefore(bee)
    if (cut === null) return []
    const draft = new SubtopologyDraft()
    if (bee.input?.kind === 'join' && (bee.type.role === 'call' || bee.type.role === 'sink')) {
      const topic = repartitionTopic(this.#applicationId, `${bee.name}-join`)
      this.#join(draft, bee)
      this.#sink(draft, topic, bee.name, `${bee.name}.join-sink`)
      const after = new SubtopologyDraft()
      this.#source(after, [topic], bee.name, `${bee.name}.joined`)
      this.#chain(after, bee, [])
      const behindJoin: Cut = {
        kind: 'call-behind-join',
        reason: `after the join of ${bee.name}: an asynchronous step must have no state before it in its sub-topology`,
      }
      return [draft.done(cut), after.done(behindJoin)]
    }
    if (bee.type.role === 'cache') {
      const topic = repartitionTopic(this.#applicationId, `${bee.name}-input`)
      this.#source(draft, this.#inputTopics(bee).topics, bee.name)
      this.#branch(draft, bee)
      draft.add(`${bee.name}.key`, { kind: 'cache-key', bee: bee.name })
      this.#sink(draft, topic, bee.name, `${bee.name}.key-sink`)
      const after = new SubtopologyDraft()
      this.#source(after, [topic], bee.name, `${bee.name}.keyed`)
      this.#chain(after, bee, [])
      return [draft.done(cut), after.done({ kind: 'cache', reason: `the cache of ${bee.name}, partitioned by the content of its input` })]
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
      this.#chain(draft, bee, [])
    } else {
      const { topics, batches } = this.#inputTopics(bee)
      this.#source(draft, topics, bee.name)
      this.#branch(draft, bee)
      this.#chain(draft, bee, batches)
    }
    return [draft.done(cut)]
  }

  #chain(draft: SubtopologyDraft, bee: SwarmBee, batches: readonly string[]): void {
    for (const batch of batches) draft.bees.add(batch)
    this.#step(draft, bee, batches)
    this.#follow(draft, bee, { isGateway: false, hasState: draft.hasState, needsGpu: bee.gpu > 0 })
  }

  #step(draft: SubtopologyDraft, bee: SwarmBee, batches: readonly string[]): void {
    this.#ownStep(draft, bee, batches)
    if (!this.#unanswering.has(bee.name)) return
    const name = `${bee.name}.unanswered`
    const { body } = this.#waysOn(bee)
    draft.also(name, bee.name, { kind: 'unanswered', bee: bee.name, isStack: this.#sourcesInto(bee).length > 1, body })
    draft.also(`${name}-sink`, name, { kind: 'sink', topic: this.#accepted })
    this.#writes(this.#accepted, bee.name)
  }

  #ownStep(draft: SubtopologyDraft, bee: SwarmBee, batches: readonly string[]): void {
    switch (bee.type.role) {
      case 'call':
      case 'sink':
        draft.add(bee.name, { kind: 'call', bee: bee.name, batches })
        return
      case 'stream':
        draft.add(bee.name, { kind: 'stream', bee: bee.name })
        return
      case 'value':
        draft.add(bee.name, { kind: 'value', bee: bee.name })
        return
      case 'merge':
        draft.add(bee.name, { kind: 'merge', bee: bee.name, store: `${bee.name}-merge`, inputs: this.#joinInputs(bee) })
        return
      case 'loop':
        draft.add(bee.name, { kind: 'loop', bee: bee.name, ...this.#waysOn(bee) })
        return
      case 'cache': {
        const { partitions } = this.#settings
        draft.add(bee.name, { kind: 'cache', bee: bee.name, store: `${bee.name}-cache`, partitions, ...this.#waysOn(bee) })
        return
      }
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

  /** Adds the steps of the bees that follow `from` in the same sub-topology, and then the sink. */
  #follow(draft: SubtopologyDraft, from: SwarmBee, chain: Chain): void {
    let bee = from
    let next = this.#cuts.fusedAfter(bee, chain)
    while (next !== null) {
      this.#branch(draft, next)
      this.#step(draft, next, [])
      bee = next
      next = this.#cuts.fusedAfter(bee, chain)
    }
    if (givesNothingOn.has(bee.type.role)) return
    if (chain.isGateway) draft.add(`${from.name}.deduplicate`, { kind: 'deduplicate', store: `${from.name}-seen` })
    this.#sink(draft, beeTopic(this.#swarm.name, bee.name), bee.name)
  }

  /** The topics that a bee reads, each once. Also the batches between the bee and the bees that write these topics. */
  #inputTopics(bee: SwarmBee): { topics: readonly string[]; batches: readonly string[] } {
    const topics = new Set<string>()
    const batches: string[] = []
    for (const name of bee.input?.bees ?? []) {
      const { source, batch } = this.#cuts.behindBatch(name)
      topics.add(beeTopic(this.#swarm.name, source?.name ?? name))
      if (batch !== null) batches.push(batch.name)
    }
    return { topics: [...topics], batches }
  }

  #join(draft: SubtopologyDraft, bee: SwarmBee): void {
    const inputs = this.#joinInputs(bee)
    this.#source(
      draft,
      inputs.map(({ topic }) => topic),
      bee.name,
    )
    draft.bees.add(bee.name)
    this.#branch(draft, bee)
    draft.add(`${bee.name}.join`, { kind: 'join', bee: bee.name, store: `${bee.name}-join`, inputs })
  }

  #joinInputs(bee: SwarmBee): readonly JoinInput[] {
    return (bee.input?.bees ?? []).map((name) => ({ name, topic: beeTopic(this.#swarm.name, name) }))
  }

  /** The readers of a loop or a cache. `body`: the readers that lead back to the loop or the cache. `exits`: the other readers. */
  #waysOn(bee: SwarmBee): { readonly body: readonly string[]; readonly exits: readonly string[] } {
    const body = (bee.type.branches?.(bee.spec) ?? []).map(({ reader }) => reader)
    const readers = this.#swarm.bees.filter(({ input, shadows }) => shadows === undefined && input?.bees.includes(bee.name)).map(({ name }) => name)
    return { body, exits: readers.filter((name) => !body.includes(name)) }
  }

  /** Adds the step that takes only the branches to this bee, if the bee reads a bee that chooses between its readers. */
  #branch(draft: SubtopologyDraft, bee: SwarmBee): void {
    // A shadow takes the branches that lead to the bee that it shadows.
    const names = new Set([bee.shadows ?? bee.name])
    const loops: string[] = []
    let isBranch = false
    for (const input of bee.input?.bees ?? []) {
      const { source, batch } = this.#cuts.behindBatch(input)
      if (source === null || (source.type.branches?.(source.spec) ?? null) === null) continue
      isBranch = true
      if (batch !== null) names.add(batch.name)
      if (returningRoles.has(source.type.role)) loops.push(source.name)
    }
    if (isBranch) draft.add(`${bee.name}.branch`, { kind: 'branch', bee: bee.name, names: [...names], loops })
  }

  #ledger(draft: SubtopologyDraft, respond: SwarmBee): void {
    const before = draft.steps.find(({ kind }) => kind === 'join')
    const waitsFor =
      before?.kind === 'join' ? before.inputs.map(({ name }) => name) : draft.sourceTopics.map((topic) => topic.slice(topic.lastIndexOf('.') + 1))
    this.#reads(this.#accepted, respond.name)
    draft.beside(`${respond.name}.accepted`, { kind: 'source', topics: [this.#accepted] })
    draft.add(respond.name, { kind: 'ledger', store: ledgerStore, waitsFor, ways: this.#answerWaysTo(respond) }, [`${respond.name}.accepted`])
    this.#sink(draft, beeTopic(this.#swarm.name, respond.name), respond.name)
  }

  /**
   * For each gateway, the number of ways by which an answer to its requests may come. A way is an input of the respond bee, or one of
   * `unansweringBees`.
   */
  #answerWaysTo(respond: SwarmBee): ReadonlyMap<string, number> {
    const { bees } = this.#swarm
    const graph = BranchGraph.of(bees)
    const ends = [respond, ...bees.filter(({ name }) => this.#unanswering.has(name))]
    return new Map(
      bees
        .filter(({ type }) => type.role === 'gateway')
        .map((gateway) => {
          const reached = graph.reachedFrom([gateway.name])
          const waysTo = (end: SwarmBee) => {
            const sources = this.#sourcesInto(end)
            return sources.length > 1 ? sources.filter((name) => reached.has(name)).length : Number(reached.has(end.name))
          }
          return [gatewayOf(gateway), ends.reduce((sum, end) => sum + waysTo(end), 0)]
        }),
    )
  }

  /**
   * The bees that write the records which a bee reads as they come. A join, a loop and a cache forward each request once, so each counts as one bee.
   */
  #sourcesInto(bee: SwarmBee): readonly string[] {
    if (bee.input?.kind !== 'stack' || returningRoles.has(bee.type.role)) return [bee.input?.bees[0] ?? '']
    return [...new Set(bee.input.bees.map((name) => this.#cuts.behindBatch(name).source?.name ?? name))]
  }

  /** The ledger of a swarm without a respond bee. This ledger stores which requests there are, but no answers. */
  #ledgerAlone(): SubtopologyPlan {
    const draft = new SubtopologyDraft()
    const name = this.#byName.has('ledger') ? '.ledger' : 'ledger'
    this.#source(draft, [this.#accepted], 'ledger', this.#sourceOf(name))
    draft.add(name, { kind: 'ledger', store: ledgerStore, waitsFor: [], ways: new Map() })
    return { ...draft.done({ kind: 'ledger-alone', reason: 'the ledger of requests, partitioned by request id' }), bees: [] }
  }

  #source(draft: SubtopologyDraft, topics: readonly string[], reader: string, step = this.#sourceOf(reader)): void {
    for (const topic of topics) this.#reads(topic, reader)
    draft.add(step, { kind: 'source', topics })
  }

  /**
   * The name of a source. The name is part of a consumer group's name, so it must not change. If a bee has this name already, the source gets a name
   * with a dot, which no bee's name contains.
   */
  #sourceOf(reader: string): string {
    const name = `${reader}-source`
    return this.#byName.has(name) ? `${reader}.source` : name
  }

  #sink(draft: SubtopologyDraft, topic: string, writer: string, step = `${writer}.sink`): void {
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

const givesNothingOn: ReadonlySet<string> = new Set(['sink', 'respond', 'output'])
