import type { Clock, Log } from '../../processor/ports.ts'
import { headerText } from '../../topology/record.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { notTakenCode } from '../../topology/swarm/request/branches.ts'
import { deadlineOf, errorHeader } from '../../topology/swarm/request/headers.ts'
import { PartSequence, partRecordOf } from '../../topology/swarm/request/part.ts'
import type { RequestTrace, TraceParts, TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { deadLetterTopic, gatewayTopic } from '../../topology/topic-names.ts'
import { timeOfUuid } from '../../topology/uuid.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { BatchMates } from './batch-mates.ts'
import { retriedInputs } from './past-retries.ts'
import { type RequestRecord, RequestSearch, type SoughtTime } from './request-search.ts'
import { beeIn, entranceStep, gatewayIn, innerSteps, stepOf, withWait } from './trace-steps.ts'

export interface RequestTracesOptions {
  readonly log: Log
  readonly clock: Clock
  /** The plans of the swarms that run in this process. */
  readonly plans?: readonly SwarmPlan[]
  /**
   * The time at which a request was accepted, if a ledger of this process knows it. With the time, a request whose id contains no time is found at
   * once.
   */
  readonly acceptedAt?: (id: string) => number | null
}

/** Finds the steps of requests in the topics of their swarms. */
export class RequestTraces {
  readonly #log: Log
  readonly #clock: Clock
  readonly #plans: readonly SwarmPlan[]
  readonly #acceptedAt: (id: string) => number | null
  #running = 0

  constructor({ log, clock, plans = [], acceptedAt = () => null }: RequestTracesOptions) {
    this.#log = log
    this.#clock = clock
    this.#plans = plans
    this.#acceptedAt = acceptedAt
  }

  /** The time at which a request was sent first, from its id or from a ledger of this process; null if neither tells it. */
  firstSentAt(id: string): number | null {
    return timeOfUuid(id) ?? this.#acceptedAt(id)
  }

  /**
   * The trace of a request. Throws WAGGLE_UNKNOWN_REQUEST if the log has no record of the request, and WAGGLE_OVERLOADED while `maxTraces` other
   * searches run.
   */
  async trace(id: string): Promise<RequestTrace> {
    if (this.#running >= maxTraces)
      throw new WaggleError('WAGGLE_OVERLOADED', { message: `${maxTraces} other requests are being traced`, next: 'Ask again in a moment.' })
    this.#running++
    try {
      return await this.#trace(id)
    } finally {
      this.#running--
    }
  }

  async #trace(id: string): Promise<RequestTrace> {
    const search = new RequestSearch({ log: this.#log, clock: this.#clock, id })
    const topics = await this.#log.topics()
    const about = this.firstSentAt(id)
    const entrance = await this.#entrance(search, topics, about)
    const plan = this.#plans.find(({ subtopologies }) => entrance !== null && subtopologies.some(({ sources }) => sources.includes(entrance.topic)))
    const time = entrance !== null ? { exact: entrance.record.timestamp } : about === null ? null : { about }
    // The outcome is searched first, also at the deadline. If it is found, the results that led to the outcome are in the log too, so no trace has an
    // outcome without its results.
    const outcomesTopic = plan?.outcomesTopic ?? null
    const outcomes = outcomesTopic !== null && topics.includes(outcomesTopic) ? await outcomesIn(outcomesTopic, { search, entrance, time }) : []
    const others = beeTopics(topics, plan ?? null).filter((topic) => topic !== outcomesTopic)
    const found = [outcomes, ...(await Promise.all(others.map((topic) => search.in(topic, time))))]
    const records = found.flat().filter(({ record }) => headerText(record.headers, errorHeader) !== notTakenCode)
    if (entrance === null && records.length === 0) throw await this.#unknown(id, search, topics)
    const outcome = records.find(({ topic }) => topic === outcomesTopic)
    const own = [...(entrance === null ? [] : [entranceStep(entrance, plan ?? null)]), ...firstOfEach(records.map(stepOf))]
    const first = [...own, ...records.flatMap((record) => innerSteps(record, own, plan ?? null))]
    const steps = [...first, ...(await this.#retried(search, topics, { plan: plan ?? null, time, first }))]
    const parts = await partsOf(search, plan, steps, this.#clock)
    const isFailed = outcome !== undefined && headerText(outcome.record.headers, errorHeader) !== null
    const shown = steps.map((step) => {
      const own = parts.get(callOf(step.bee, step.round))
      return own === undefined || step.passed ? step : { ...step, parts: own }
    })
    return {
      request_id: id,
      swarm: plan?.swarm ?? null,
      gateway: entrance === null ? null : (plan?.gateways.find(({ topic }) => topic === entrance.topic)?.gateway ?? gatewayIn(entrance.topic)),
      state: plan === undefined || plan.outcomesTopic === null ? null : outcome === undefined ? 'pending' : isFailed ? 'failed' : 'answered',
      accepted_at: entrance?.record.timestamp ?? records[0]?.record.timestamp ?? null,
      complete: search.isComplete,
      steps: inOrder(await this.#withMates(plan === undefined ? shown : shown.map((step) => withWait(step, shown, plan)), records), plan ?? null),
    }
  }

  /** The steps that follow from retries of the request's dead letters. Each retry is another attempt. */
  async #retried(
    search: RequestSearch,
    topics: readonly string[],
    { plan, time, first }: { readonly plan: SwarmPlan | null; readonly time: SoughtTime; readonly first: readonly TraceStep[] },
  ): Promise<readonly TraceStep[]> {
    // A request without a failure has no dead letters, so the search for them is skipped.
    if (first.every(({ error }) => error === null)) return []
    const letterTopics = topics.filter((name) => (plan === null ? name.endsWith('.dead-letters') : name === deadLetterTopic(plan.swarm)))
    const letters = (await Promise.all(letterTopics.map((topic) => search.in(topic, time)))).flat()
    const known = new Set(first.map(placeOf))
    const steps: TraceStep[] = []
    for (const [at, { retriedAt }] of (await retriedInputs(this.#log, letters)).slice(0, maxRetries).entries()) {
      const found = (await Promise.all(beeTopics(topics, plan).map((topic) => search.in(topic, { since: retriedAt - retryWithinMs })))).flat()
      const own = found.map(stepOf)
      for (const step of [...own, ...found.flatMap((record) => innerSteps(record, own, plan))]) {
        if (known.has(placeOf(step)) || steps.some((other) => placeOf(other) === placeOf(step))) continue
        steps.push({ ...step, attempt: at + 2 })
      }
    }
    return steps
  }

  async #withMates(steps: readonly TraceStep[], records: readonly RequestRecord[]): Promise<readonly TraceStep[]> {
    const mates = new BatchMates({ log: this.#log, clock: this.#clock })
    const found: TraceStep[] = []
    for (const step of steps) {
      const own = records.find(
        ({ topic, partition, record }) => topic === step.topic && partition === step.partition && record.offset === step.offset,
      )
      // The record of an inner step has the headers of the last bee of its sub-topology.
      const isOwn = own !== undefined && beeIn(step.topic) === step.bee
      found.push(isOwn ? { ...step, batch_mates: await mates.of(step, own.record.timestamp) } : step)
    }
    return found
  }

  async #entrance(search: RequestSearch, topics: readonly string[], about: number | null): Promise<RequestRecord | null> {
    const foreign = this.#plans.flatMap(({ subtopologies, topics: planned }) =>
      subtopologies.flatMap(({ steps, sources }) =>
        steps.some(({ kind }) => kind === 'accept') ? sources.filter((name) => planned.some((topic) => topic.name === name && topic.isForeign)) : [],
      ),
    )
    for (const topic of [...topics.filter((name) => name.startsWith(gatewayTopic(''))), ...foreign]) {
      const [found] = await search.in(topic, about === null ? null : { about }, { isEntrance: true })
      if (found !== undefined) return found
    }
    return null
  }

  /** The error for an unknown request. It names the most likely reason why the log has no record of the request. */
  async #unknown(id: string, search: RequestSearch, topics: readonly string[]): Promise<WaggleError> {
    const about = timeOfUuid(id)
    const kept = await Promise.all(
      topics.filter((name) => name.startsWith(gatewayTopic(''))).map(async (name) => (await this.#log.topic(name))?.retentionMs),
    )
    const longest = Math.max(0, ...kept.map((ms) => ms ?? 0))
    const ageMs = about === null ? null : this.#clock.now() - about
    const isOld = ageMs !== null && longest > 0 && ageMs > longest
    const why = isOld
      ? `its id is of ${new Date(about ?? 0).toISOString()}, and records are deleted after ${longest / 1000} s`
      : search.isComplete
        ? 'it was never accepted here, or its records were deleted when their retention was over'
        : 'the search ended at its bound before the end of the log'
    return new WaggleError('WAGGLE_UNKNOWN_REQUEST', {
      message: `There is no record of the request ${id.slice(0, 300)} on the log: ${why}`,
      next: isOld ? 'Set WAGGLE_RETENTION_SECONDS higher to keep records longer.' : 'Correct the id.',
    })
  }
}

/** The parts of each call of the request, by bee and round. */
async function partsOf(
  search: RequestSearch,
  plan: SwarmPlan | undefined,
  steps: readonly TraceStep[],
  clock: Clock,
): Promise<ReadonlyMap<string, TraceParts>> {
  const found = new Map<string, TraceParts>()
  const topic = plan?.topics.find(({ name }) => name === plan.partsTopic)?.name
  // Parts are written while their bee works.
  const [from, to] = [steps.flatMap(({ started_at }) => started_at ?? []), steps.map(({ finished_at }) => finished_at ?? clock.now())]
  if (topic === undefined || from.length === 0) return found
  const sequence = new PartSequence()
  for (const { headers, timestamp } of await search.written(topic, { from: Math.min(...from), to: Math.max(...to) })) {
    const part = partRecordOf(headers)
    if (part === null || sequence.take(part) !== true) continue
    const call = callOf(part.bee, part.rounds)
    const { count, first_at } = found.get(call) ?? { count: 0, first_at: timestamp }
    found.set(call, { count: count + 1, first_at })
  }
  return found
}

function callOf(bee: string, round: string | null): string {
  return JSON.stringify([bee, round ?? ''])
}

function placeOf({ bee, topic, partition, offset }: TraceStep): string {
  return JSON.stringify([bee, topic, partition, offset])
}

/** The topics with results of bees: the topics of the plan, or without a plan, the topics of all swarms of the log. */
function beeTopics(topics: readonly string[], plan: SwarmPlan | null): readonly string[] {
  const isBees = plan === null ? () => true : (name: string) => plan.topics.some((planned) => planned.name === name)
  return topics.filter((name) => beeIn(name) !== null && isBees(name))
}

/** The outcomes of a request. The record of a missed deadline has the time of the deadline, and comes after records of younger requests. */
async function outcomesIn(
  topic: string,
  { search, entrance, time }: { readonly search: RequestSearch; readonly entrance: RequestRecord | null; readonly time: SoughtTime },
): Promise<readonly RequestRecord[]> {
  const found = await search.in(topic, time)
  const deadline = entrance === null ? null : deadlineOf(entrance.record.headers)
  return found.length > 0 || deadline === null ? found : search.in(topic, { exact: deadline })
}

/** The first step of each bee in each round. Further steps are repeated records. */
function firstOfEach(steps: readonly TraceStep[]): readonly TraceStep[] {
  const first = new Map<string, TraceStep>()
  for (const step of steps) {
    const key = JSON.stringify([step.topic, step.round])
    if (!first.has(key)) first.set(key, step)
  }
  return [...first.values()]
}

/**
 * The steps in the order of their times. Steps with the same time are in the order of the swarm's file. A step without times follows the steps whose
 * results it uses.
 */
function inOrder(steps: readonly TraceStep[], plan: SwarmPlan | null): readonly TraceStep[] {
  const places = new Map((plan?.bees ?? []).map(({ name }, at) => [name, at]))
  const inFile = steps.toSorted((a, b) => (places.get(a.bee) ?? 0) - (places.get(b.bee) ?? 0))
  const times = new Map<string, number>()
  const timed = inFile.map((step) => {
    const inherited = step.after.map((bee) => times.get(bee) ?? Number.NEGATIVE_INFINITY)
    const time = step.started_at ?? (step.after.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...inherited))
    times.set(step.bee, time)
    return { step, time }
  })
  return timed.toSorted((a, b) => (a.time === b.time ? 0 : a.time < b.time ? -1 : 1)).map(({ step }) => step)
}

const maxTraces = 8
const maxRetries = 10
/** A retry writes the input, and then its settlement. The settlement may be newer by this time. */
const retryWithinMs = 10
