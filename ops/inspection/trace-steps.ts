import { bytesIn, DamagedValue } from '../../processor/ports.ts'
import { type Header, headerText } from '../../topology/record.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import {
  batchSizeHeader,
  contentTypeHeader,
  errorHeader,
  finishedHeader,
  roundsHeader,
  sentHeader,
  startedHeader,
} from '../../topology/swarm/request/headers.ts'
import { innerCallsOf } from '../../topology/swarm/request/inner-calls.ts'
import type { TraceError, TraceStep } from '../../topology/swarm/request/request-trace.ts'
import { gatewayTopic } from '../../topology/topic-names.ts'
import type { RequestRecord } from './request-search.ts'

/** The bee whose results are on a topic; null for a topic without results of a bee. */
export function beeIn(topic: string): string | null {
  const [, swarm, bee] = /^waggle\.([^.]+)\.([^.]+)$/.exec(topic) ?? []
  return swarm === undefined || swarm === 'gateway' || bee === undefined || bee === 'dead-letters' ? null : bee
}

export function gatewayIn(topic: string): string | null {
  return topic.startsWith(gatewayTopic('')) ? topic.slice(gatewayTopic('').length) : null
}

export function entranceStep({ topic, partition, record }: RequestRecord, plan: SwarmPlan | null): TraceStep {
  const reader = plan?.subtopologies.find(({ sources }) => sources.includes(topic))?.bees[0]
  const { timestamp, offset } = record
  return { ...blank, bee: reader ?? gatewayIn(topic) ?? topic, topic, partition, offset, started_at: timestamp, finished_at: timestamp, worked_ms: 0 }
}

export function stepOf({ topic, partition, record }: RequestRecord): TraceStep {
  const { headers, offset } = record
  const bee = beeIn(topic) ?? topic
  const error = errorIn(record)
  const round = headerText(headers, roundsHeader)
  const passed = error !== null && error.bee !== bee
  if (passed) return { ...blank, bee, topic, partition, offset, round, passed, error }
  return { ...blank, bee, topic, partition, offset, round, error, ...timesIn(headers), ...modelIn(record) }
}

/** The model and the version in a prediction; none for predictions in Avro, and for large values. */
function modelIn({ headers, value }: RequestRecord['record']): Pick<TraceStep, 'model' | 'model_version'> {
  const unknown = { model: null, model_version: null }
  if (value === null || value instanceof DamagedValue || headerText(headers, errorHeader) !== null) return unknown
  if (!/^application\/json\b/.test(headerText(headers, contentTypeHeader) ?? '')) return unknown
  const bytes = bytesIn(value)
  if (bytes.length > maxPredictionBytes) return unknown
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof json !== 'object' || json === null) return unknown
    const { model, version } = json as { readonly model?: unknown; readonly version?: unknown }
    if (typeof model !== 'string') return unknown
    return { model, model_version: typeof version === 'string' || typeof version === 'number' ? String(version) : null }
  } catch {
    return unknown
  }
}

/**
 * The steps of bees whose results are not written to a topic. The record of a later bee in the same sub-topology contains the times of these steps.
 */
export function innerSteps({ topic, partition, record }: RequestRecord, own: readonly TraceStep[], plan: SwarmPlan | null): readonly TraceStep[] {
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
  return [...inner.values()].filter(({ bee }) => bee !== beeIn(topic) && own.every((step) => step.bee !== bee))
}

/**
 * The step, completed with the names of the bees before it, and with its wait: the time between the last end of these bees' steps and its own start.
 */
export function withWait(step: TraceStep, steps: readonly TraceStep[], plan: SwarmPlan): TraceStep {
  const after = inputsOf(step.bee, plan)
  const ready = steps.filter(
    ({ bee, round, attempt }) => after.includes(bee) && attempt <= step.attempt && (step.round === null || round === step.round || round === null),
  )
  const last = Math.max(...ready.map(({ finished_at }) => finished_at ?? Number.NEGATIVE_INFINITY))
  const waited = step.started_at !== null && Number.isFinite(last) ? Math.max(0, step.started_at - last) : null
  return { ...step, after, waited_ms: waited }
}

/** The bees whose results a bee takes as input. A batch is replaced by the bee before the batch. */
export function inputsOf(name: string, { bees }: SwarmPlan): readonly string[] {
  const byName = new Map(bees.map((bee) => [bee.name, bee]))
  return (byName.get(name)?.input?.bees ?? []).flatMap((input) => {
    const bee = byName.get(input)
    return bee?.type.role === 'batch' ? (bee.input?.bees ?? []) : [input]
  })
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

export function errorIn({ headers, value }: RequestRecord['record']): TraceError | null {
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

export function numberIn(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

const blank = {
  started_at: null,
  finished_at: null,
  waited_ms: null,
  worked_ms: null,
  batch_size: null,
  batch_sent: null,
  batch_mates: [],
  attempt: 1,
  model: null,
  model_version: null,
  round: null,
  passed: false,
  error: null,
  after: [],
} as const

const maxPredictionBytes = 256 * 1024
