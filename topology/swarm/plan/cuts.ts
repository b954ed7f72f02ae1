import { gatewayTopic } from '../../topic-names.ts'
import { enumerated } from '../check/enumerated.ts'
import { gatewayOf, type SwarmBee, topicOf } from '../checked-swarm.ts'

/** The start of a sub-topology, and the reason for it. */
export interface Cut {
  /** `inside-stream`: between two sub-topologies of one bee of the DSL (`withStreamSteps`). */
  readonly kind: CutKind | 'inside-stream'
  /** The reason as half a sentence for people: "at a join: …". */
  readonly reason: string
}

export type CutKind = (typeof cutKinds)[number]

export const cutKinds = [
  'gateway',
  'join',
  'stack',
  'fan-out',
  'batch',
  'gpu',
  'sink',
  'call-behind-state',
  'call-behind-join',
  'stream',
  'behind-stream',
  'output-behind-gateway',
  'ledger-behind-gpu',
  'ledger-behind-gateway',
  'ledger-alone',
  'cache',
] as const

/** The nodes before a bee in its own sub-topology. */
export interface Chain {
  readonly isGateway: boolean
  readonly hasState: boolean
  /** True if the sub-topology runs only on machines with a GPU. Until such a machine runs the sub-topology, its stores cannot be queried. */
  readonly needsGpu: boolean
}

/** Decides which bees share a sub-topology, and gives the reason for each cut. */
export class Cuts {
  readonly #byName: ReadonlyMap<string, SwarmBee>
  /** The bees that read each bee, in the file's order. */
  readonly #namedBy: ReadonlyMap<string, readonly SwarmBee[]>
  /** The readers of each bee. A batch is replaced by its readers. */
  readonly #readers = new Map<string, readonly Reader[]>()
  /** For each bee: the reason why a sub-topology begins there, and the chain of nodes before it. */
  readonly #beginnings = new Map<string, Beginning>()

  constructor(bees: readonly SwarmBee[]) {
    this.#byName = new Map(bees.map((bee) => [bee.name, bee]))
    this.#namedBy = namedBy(bees)
  }

  /** The reason why a sub-topology begins at this bee; null if the bee is in its feeder's sub-topology. */
  cutBefore(bee: SwarmBee): Cut | null {
    return this.#beginningOf(bee).cut
  }

  /** The bee after `bee` in the same sub-topology; null if there is none. `chain` describes the sub-topology up to `bee`. */
  fusedAfter(bee: SwarmBee, chain: Chain): SwarmBee | null {
    const [reader, ...others] = this.#readersOf(bee)
    if (reader === undefined || others.length > 0) return null
    return this.#reasonToCut(bee, reader, chain) === null ? reader.bee : null
  }

  /** The bee that makes the records of the bee `name`. If `name` is a batch, that is the bee before the batch. `batch` is null for any other bee. */
  behindBatch(name: string): { source: SwarmBee | null; batch: SwarmBee | null } {
    const bee = this.#byName.get(name) ?? null
    if (bee?.type.role !== 'batch') return { source: bee, batch: null }
    const feeder = bee.input?.bees[0]
    return { source: feeder === undefined ? null : (this.#byName.get(feeder) ?? null), batch: bee }
  }

  /** The reason to cut between two bees; null if they may share a sub-topology. */
  #reasonToCut(from: SwarmBee, { bee, batch }: Reader, chain: Chain): Cut | null {
    const inputs = bee.input?.bees ?? []
    if (bee.input?.kind === 'join') return { kind: 'join', reason: `at a join: ${bee.name} waits for ${enumerated(inputs, inputs.length)}` }
    if (bee.input?.kind === 'stack')
      return { kind: 'stack', reason: `at a stack: ${bee.name} reads ${enumerated(inputs, inputs.length)} without waiting for all of them` }
    const readers = this.#readersOf(from)
    if (readers.length > 1) {
      const names = readers.slice(0, 100).map((reader) => reader.bee.name)
      return { kind: 'fan-out', reason: `at a fan-out: ${enumerated(names, readers.length)} read ${from.name}, each at its own pace` }
    }
    if (from.type.role === 'stream')
      return { kind: 'behind-stream', reason: `after ${from.name}: results of the DSL go through a topic, by request id` }
    if (bee.type.role === 'stream') return { kind: 'stream', reason: `before ${bee.name}: steps of the DSL read a topic` }
    if (batch !== null) return { kind: 'batch', reason: `before a batch: ${batch.name} fills ${bee.name}’s batches with waiting records` }
    if (bee.gpu > 0) return { kind: 'gpu', reason: `before ${bee.name}, which needs a GPU` }
    const { role } = bee.type
    if (role === 'sink') return { kind: 'sink', reason: `before a sink: ${bee.name} may wait without delaying the bees before it` }
    if (role === 'call' && chain.hasState)
      return { kind: 'call-behind-state', reason: `before ${bee.name}: an asynchronous step must have no state before it in its sub-topology` }
    if (role === 'output' && chain.isGateway)
      return { kind: 'output-behind-gateway', reason: `after the gateway: ${bee.name} writes only requests that passed deduplication` }
    if (role === 'respond' && chain.needsGpu)
      return {
        kind: 'ledger-behind-gpu',
        reason: `after a sub-topology that needs a GPU: ${bee.name} keeps the ledger, which must run in any process`,
      }
    if (role === 'respond' && chain.isGateway)
      return { kind: 'ledger-behind-gateway', reason: `after the gateway: ${bee.name} keeps the ledger, which is partitioned by request id` }
    return null
  }

  /** Visits each bee once, after its feeder, without recursion: a chain of bees may be longer than the call stack. */
  #beginningOf(bee: SwarmBee): Beginning {
    const unknown: SwarmBee[] = []
    for (let at: SwarmBee | null = bee; at !== null && !this.#beginnings.has(at.name); at = this.#fusedFeederOf(at)) unknown.push(at)
    for (const one of unknown.reverse()) this.#beginnings.set(one.name, this.#beginning(one))
    return this.#beginnings.get(bee.name) ?? { cut: null, chain: nothingBefore }
  }

  /** Computes a bee's beginning. Its feeder's beginning must be known. */
  #beginning(bee: SwarmBee): Beginning {
    if (bee.type.role === 'gateway') {
      const cut: Cut = { kind: 'gateway', reason: `at the gateway: requests come from the topic ${topicOf(bee) ?? gatewayTopic(gatewayOf(bee))}` }
      return { cut, chain: { isGateway: true, hasState: false, needsGpu: false } }
    }
    const { source, batch } = this.#feederOf(bee)
    const needsGpu = bee.gpu > 0
    if (source === null || bee.input === null) return { cut: null, chain: { ...nothingBefore, needsGpu } }
    const before = bee.input.kind === 'name' ? (this.#beginnings.get(source.name)?.chain ?? nothingBefore) : nothingBefore
    const cut = this.#reasonToCut(source, { bee, batch }, before)
    if (bee.input.kind === 'join') return { cut, chain: { isGateway: false, hasState: bee.type.role !== 'call', needsGpu } }
    if (bee.type.role === 'merge' || bee.type.role === 'cache') return { cut, chain: { isGateway: false, hasState: true, needsGpu } }
    return { cut, chain: cut === null ? before : { ...nothingBefore, needsGpu } }
  }

  /** The bee whose sub-topology this bee may share; null for a join and for a stack. Every loop of bees goes through a stack. */
  #fusedFeederOf(bee: SwarmBee): SwarmBee | null {
    return bee.input?.kind === 'name' ? this.#feederOf(bee).source : null
  }

  /** The bee from which the first input comes, and the batch between the two bees. */
  #feederOf(bee: SwarmBee): { readonly source: SwarmBee | null; readonly batch: SwarmBee | null } {
    const first = bee.input?.bees[0]
    return first === undefined ? { source: null, batch: null } : this.behindBatch(first)
  }

  /** The readers of a bee. The readers of a batch count as readers of the bee before the batch. A batch never reads a batch. */
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
}

/** A bee that reads another bee, and the batch between the two bees. */
interface Reader {
  readonly bee: SwarmBee
  readonly batch: SwarmBee | null
}

interface Beginning {
  /** The cut before the bee; null if the bee is in its feeder's sub-topology. */
  readonly cut: Cut | null
  readonly chain: Chain
}

const nothingBefore: Chain = { isGateway: false, hasState: false, needsGpu: false }

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
