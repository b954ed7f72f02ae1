import { bytesIn, type Clock, DamagedValue, type Log } from '../../processor/ports.ts'
import { gatewayTopic } from '../../topology/naming.ts'
import { type Header, headerText } from '../../topology/record.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import { notTakenCode } from '../../topology/swarm/request/branches.ts'
import {
  batchSizeHeader,
  deadlineOf,
  errorHeader,
  finishedHeader,
  roundsHeader,
  sentHeader,
  startedHeader,
} from '../../topology/swarm/request/headers.ts'
import { innerCallsOf } from '../../topology/swarm/request/inner-calls.ts'
import type { RequestTrace, TraceError, TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { timeOfUuid } from '../../topology/uuid.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type RequestRecord, RequestSearch } from './request-search.ts'

export interface RequestTracesOptions {
  readonly log: Log
  readonly clock: Clock
  /** The plans of the swarms that run in this process. */
  readonly plans?: readonly SwarmPlan[]
}

/** Follows requests through the topics of their swarms. */
export class RequestTraces {
  readonly #log: Log
  readonly #clock: Clock
  readonly #plans: readonly SwarmPlan[]
  #running = 0

  constructor({ log, clock, plans = [] }: RequestTracesOptions) {
    this.#log = log
    this.#clock = clock
    this.#plans = plans
  }

  /** Throws WAGGLE_UNKNOWN_REQUEST if the log has no record of the request, and WAGGLE_OVERLOADED during `maxTraces` other searches. */
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
    const about = timeOfUuid(id)
    const entrance = await this.#entrance(search, topics, about)
    const plan = this.#plans.find(({ subtopologies }) => entrance !== null && subtopologies.some(({ sources }) => sources.includes(entrance.topic)))
    const time = entrance !== null ? { exact: entrance.record.timestamp } : about === null ? null : { about }
    const found = await Promise.all(beeTopics(topics, plan ?? null).map((topic) => search.in(topic, time)))
    const records = found.flat().filter(({ record }) => headerText(record.headers, errorHeader) !== notTakenCode)
    if (entrance === null && records.length === 0) throw await this.#unknown(id, search, topics)
    const outcome = records.find(({ topic }) => topic === plan?.outcomesTopic) ?? (await outcomeAtDeadline(search, entrance, plan))
    const all = outcome === undefined || records.includes(outcome) ? records : [...records, outcome]
    const own = [...(entrance === null ? [] : [entranceStep(entrance, plan ?? null)]), ...firstOfEach(all.map(stepOf))]
    const steps = [...own, ...all.flatMap((record) => innerSteps(record, own, plan ?? null))]
    const isFailed = outcome !== undefined && headerText(outcome.record.headers, errorHeader) !== null
    return {
      request_id: id,
      swarm: plan?.swarm ?? null,
      gateway: entrance === null ? null : (plan?.gateways.find(({ topic }) => topic === entrance.topic)?.gateway ?? gatewayIn(entrance.topic)),
      state: plan === undefined || plan.outcomesTopic === null ? null : outcome === undefined ? 'pending' : isFailed ? 'failed' : 'answered',
      accepted_at: entrance?.record.timestamp ?? records[0]?.record.timestamp ?? null,
      complete: search.isComplete,
      steps: inOrder(plan === undefined ? steps : steps.map((step) => withWait(step, steps, plan)), plan ?? null),
    }
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

  /** Names the most likely reason why the log has no record of the request. */
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

/** The topics that carry results of bees: those of the plan, or of every swarm of the log. */
function beeTopics(topics: readonly string[], plan: SwarmPlan | null): readonly string[] {
  const isBees = plan === null ? () => true : (name: string) => plan.topics.some((planned) => planned.name === name)
  return topics.filter((name) => beeIn(name) !== null && isBees(name))
}

/** The bee whose results a topic carries; null for any other topic. */
function beeIn(topic: string): string | null {
  const [, swarm, bee] = /^waggle\.([^.]+)\.([^.]+)$/.exec(topic) ?? []
  return swarm === undefined || swarm === 'gateway' || bee === undefined || bee === 'dead-letters' ? null : bee
}

function gatewayIn(topic: string): string | null {
  return topic.startsWith(gatewayTopic('')) ? topic.slice(gatewayTopic('').length) : null
}

function entranceStep({ topic, partition, record }: RequestRecord, plan: SwarmPlan | null): TraceStep {
  const reader = plan?.subtopologies.find(({ sources }) => sources.includes(topic))?.bees[0]
  const { timestamp, offset } = record
  return { ...blank, bee: reader ?? gatewayIn(topic) ?? topic, topic, partition, offset, started_at: timestamp, finished_at: timestamp, worked_ms: 0 }
}

function stepOf({ topic, partition, record }: RequestRecord): TraceStep {
  const { headers, offset } = record
  const bee = beeIn(topic) ?? topic
  const error = errorIn(record)
  const round = headerText(headers, roundsHeader)
  const passed = error !== null && error.bee !== bee
  if (passed) return { ...blank, bee, topic, partition, offset, round, passed, error }
  return { ...blank, bee, topic, partition, offset, round, error, ...timesIn(headers) }
}

/** The steps of bees whose results are on no topic. The record of a later bee of their sub-topology has their times. */
function innerSteps({ topic, partition, record }: RequestRecord, own: readonly TraceStep[], plan: SwarmPlan | null): readonly TraceStep[] {
  const { headers, offset } = record
  const error = errorIn(record)
  const inner = new Map<string, TraceStep>()
  const place = { ...blank, topic, partition, offset, round: headerText(headers, roundsHeader) }
  for (const { bee, startedAt, finishedAt, batchSize } of innerCallsOf(headers))
    inner.set(bee, {
      ...place,
      bee,
      started_at: startedAt,
      finished_at: finishedAt,
      worked_ms: Math.max(0, finishedAt - startedAt),
      batch_size: batchSize,
    })
  const bees = plan?.subtopologies.find(({ sinks }) => sinks.includes(topic))?.bees ?? []
  const failed = error === null || error.bee === '' || (plan !== null && !bees.includes(error.bee)) ? null : error.bee
  if (failed !== null) inner.set(failed, { ...stepOf({ topic, partition, record }), bee: failed, passed: false, ...timesIn(headers) })
  const isBatch = (bee: string) => plan?.bees.find(({ name }) => name === bee)?.type.role === 'batch'
  const isOwnFailure = error !== null && error.bee === beeIn(topic)
  for (const bee of bees) if (!isOwnFailure && !inner.has(bee) && !isBatch(bee)) inner.set(bee, { ...place, bee, passed: error !== null, error })
  return [...inner.values()].filter(({ bee }) => own.every((step) => step.bee !== bee))
}

/** A missed deadline is written at that time, behind the records of younger requests. */
async function outcomeAtDeadline(
  search: RequestSearch,
  entrance: RequestRecord | null,
  plan: SwarmPlan | undefined,
): Promise<RequestRecord | undefined> {
  const deadline = entrance === null ? null : deadlineOf(entrance.record.headers)
  if (deadline === null || plan === undefined || plan.outcomesTopic === null) return undefined
  const [found] = await search.in(plan.outcomesTopic, { exact: deadline })
  return found
}

function timesIn(headers: readonly Header[]): Pick<TraceStep, 'started_at' | 'finished_at' | 'worked_ms' | 'batch_size' | 'batch_sent'> {
  const [started, finished] = [numberIn(headerText(headers, startedHeader)), numberIn(headerText(headers, finishedHeader))]
  return {
    started_at: started,
    finished_at: finished,
    worked_ms: started === null || finished === null ? null : Math.max(0, finished - started),
    batch_size: numberIn(headerText(headers, batchSizeHeader)),
    batch_sent: headerText(headers, sentHeader),
  }
}

function errorIn({ headers, value }: RequestRecord['record']): TraceError | null {
  const code = headerText(headers, errorHeader)
  if (code === null) return null
  const unknown = { code, detail: '', bee: '' }
  if (value === null || value instanceof DamagedValue) return unknown
  try {
    const json: unknown = JSON.parse(Buffer.from(bytesIn(value)).toString())
    if (typeof json !== 'object' || json === null) return unknown
    const { detail, bee } = json as { readonly detail?: unknown; readonly bee?: unknown }
    return { code, detail: typeof detail === 'string' ? detail : '', bee: typeof bee === 'string' ? bee : '' }
  } catch {
    return unknown
  }
}

function numberIn(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** The first of several records of a bee and a round. The others are repeats. */
function firstOfEach(steps: readonly TraceStep[]): readonly TraceStep[] {
  const first = new Map<string, TraceStep>()
  for (const step of steps) {
    const key = JSON.stringify([step.topic, step.round])
    if (!first.has(key)) first.set(key, step)
  }
  return [...first.values()]
}

function withWait(step: TraceStep, steps: readonly TraceStep[], plan: SwarmPlan): TraceStep {
  const after = inputsOf(step.bee, plan)
  const ready = steps.filter(({ bee, round }) => after.includes(bee) && (step.round === null || round === step.round || round === null))
  const last = Math.max(...ready.map(({ finished_at }) => finished_at ?? Number.NEGATIVE_INFINITY))
  const waited = step.started_at !== null && Number.isFinite(last) ? Math.max(0, step.started_at - last) : null
  return { ...step, after, waited_ms: waited }
}

/** The bees whose results a bee takes. A batch stands for the bee before it. */
function inputsOf(name: string, { bees }: SwarmPlan): readonly string[] {
  const byName = new Map(bees.map((bee) => [bee.name, bee]))
  return (byName.get(name)?.input?.bees ?? []).flatMap((input) => {
    const bee = byName.get(input)
    return bee?.type.role === 'batch' ? (bee.input?.bees ?? []) : [input]
  })
}

/**
 * Steps in the order of their times, and in the order of the swarm's file where times are the same. A step without times follows the steps whose
 * results it takes.
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

const blank = {
  started_at: null,
  finished_at: null,
  waited_ms: null,
  worked_ms: null,
  batch_size: null,
  batch_sent: null,
  round: null,
  passed: false,
  error: null,
  after: [],
} as const
const maxTraces = 8
