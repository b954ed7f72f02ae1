import type { AsyncStep, BatchPolicy, CallReport, Outcome, Repeats } from '../../topology/async-step.ts'
import type { FailureListener } from '../../topology/failed-record.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { BeeHost } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { claimedBytes } from '../../topology/swarm/payload/claimed-payload.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadMemory } from '../../topology/swarm/payload/payload-memory.ts'
import { ShadowDropped } from '../../topology/swarm/plan/shadow-bees.ts'
import { Answered, answeredMark, type BeeResult, RepeatedRequest, withAnswered } from '../../topology/swarm/request/answered.ts'
import { beeError, deadlinePassed, isFailure } from '../../topology/swarm/request/bee-error.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import { deadlineOf } from '../../topology/swarm/request/headers.ts'
import { callSpan, withTraceContext } from '../../topology/swarm/request/trace-context.ts'
import { failedAt } from './failed-at.ts'
import { outputRecord } from './output-record.ts'

export interface BeeStepOptions {
  readonly swarm: string
  readonly bee: SwarmBee
  readonly host: BeeHost
  readonly batch: BatchPolicy | null
  /** The bee before this bee in the same sub-topology; null if there is none. */
  readonly before?: string | null
  readonly children: readonly string[]
  /**
   * The way by which an answer of the bee itself reaches the ledger (`AnswerWay`). With `direct`, `child` is the child that takes the answer.
   * Default: `none`.
   */
  readonly answers?: { readonly way: 'result' | 'none' } | { readonly way: 'direct'; readonly child: string }
  readonly deadLetters: string
  /**
   * The store of the requests that have passed deduplication in the same sub-topology. A request that was sent again is not given to the bee a second
   * time. Undefined: the bee is behind deduplication.
   */
  readonly seenStore?: string
  readonly onFailure: FailureListener
  readonly onOutput?: (bee: string, output: Payload) => void
}

/** An asynchronous node that calls a bee. Error records pass without a call. Requests past their deadline become errors. */
export function beeStep({
  swarm,
  bee,
  host,
  batch,
  before = null,
  children,
  answers = { way: 'none' },
  deadLetters,
  seenStore,
  onFailure,
  onOutput = () => {},
}: BeeStepOptions): AsyncStep<string, Payload, Payload, BeeResult> {
  const isSink = bee.type.role === 'sink'
  const isShadow = bee.shadows !== undefined
  // With batches two calls are enough, because the next batch is packed while the last batch runs. Without batches, eight calls a replica overlap.
  const callsAReplica = batch === null ? 8 : 2
  const replicas = () => host.replicasOf?.(bee) ?? bee.replicas
  const mostCalls = callsAReplica * Math.max(bee.replicas, bee.maxReplicas)
  return {
    open: () => host.open(bee, batch?.size ?? 1),
    batch,
    get concurrency() {
      return isShadow ? 1 : callsAReplica * replicas()
    },
    get workers() {
      return replicas()
    },
    counts: 'thread',
    maxInFlight: isShadow ? 2 * (batch?.size ?? 8) : Math.max(256, 2 * mostCalls * (batch?.size ?? 1)),
    bytesOf: memoryOf,
    timeoutMs: bee.timeoutMs ?? (isSink ? foreverMs : 30_000),
    // Swarms promise no order between requests, so a slow request delays no other. A database takes rows in one order, also after a restart.
    ordered: isSink ? 'partition' : 'key',
    // A failed call becomes an error record at once. A bee whose calls may fail only for a time tries them again itself: a sink until its database is
    // back, a process when it has been started again.
    retries: 0,
    // Two swarms may have bees with the same name and requests with the same id.
    nameOf: isSink ? null : (record) => `${swarm}/${bee.name}/${record.key}`,
    admit(record, nowMs) {
      if (record.value.kind === 'error') return 'pass'
      if (isSink) return 'call'
      if (isShadow && nowMs - record.timestamp > oldestShadowedMs) return new ShadowDropped(bee.name)
      const deadline = deadlineOf(record.headers)
      return deadline !== null && deadline <= nowMs ? deadlinePassed(`The deadline passed before ${bee.name} was called`) : 'call'
    },
    ...(seenStore === undefined ? {} : { repeats: repeatsIn(seenStore) }),
    // A row is saved even after its request's deadline, so it waits for a full batch like any other row.
    deadlineOf: (record) => (isSink ? null : deadlineOf(record.headers)),
    forward(outcome, record, context) {
      forwardOutcome(outcome, record, context)
    },
  }

  /** The output of a call. If spans are recorded, the output's place in the trace is the call's span. */
  function made(record: Record<string, Payload>, value: Payload, report: CallReport | null): Record<string, Payload> {
    const output = outputRecord(record, value, report, before)
    if (report === null || host.recordsSpans !== true) return output
    const span = callSpan(record.headers, { swarm, bee: bee.name, id: record.key, attempt: report.attempts })
    return { ...output, headers: withTraceContext(output.headers, span) }
  }

  function forwardOutcome(outcome: Outcome<BeeResult>, record: Record<string, Payload>, context: ProcessorContext<unknown, unknown>): void {
    if (outcome.kind === 'error') {
      if (outcome.error instanceof ShadowDropped) return
      if (outcome.error instanceof RepeatedRequest) {
        for (const child of children) context.forward(made(record, answeredMark(bee.name), null), child)
        return
      }
      const error = beeError(outcome.error, bee.name)
      onFailure(outcome.error, failedAt(record, bee.name, context.taskId, context.recordMetadata))
      if (isFailure(error.error) && !isShadow) context.forward(deadLetter(record, outcome.error, bee.name, context), deadLetters)
      for (const child of children) context.forward(made(record, error, outcome.report), child)
      return
    }
    if (outcome.kind === 'passed') {
      for (const child of children) context.forward(record, child)
      return
    }
    const { result, report } = outcome
    const { answer, published } = result instanceof Answered ? result : { answer: null, published: result }
    if (answer !== null && answers.way === 'direct') context.forward(made(record, answer, report), answers.child)
    const output = answers.way === 'direct' ? published : answers.way === 'result' ? (answer ?? published) : (published ?? answer)
    if (output !== null) onOutput(bee.name, output)
    const carried = made(record, output ?? answeredMark(bee.name), report)
    const next = answer !== null && answers.way === 'direct' ? { ...carried, headers: withAnswered(carried.headers, bee.name) } : carried
    for (const child of children) context.forward(next, child)
  }
}

/**
 * Refuses a request that was sent again, if its first copy has passed deduplication. A second run would repeat the work, and would make the parts of
 * the first run void while a caller gets them.
 */
function repeatsIn(store: string): Repeats<string, Payload> {
  return {
    isRepeat: ({ key }, read) => read(store, key) !== null,
    refusal: () => new RepeatedRequest(),
  }
}

/** The memory of an input or a result. An input in the claim store is fetched before its call, so all its bytes count. */
function memoryOf(result: BeeResult): number {
  if (!(result instanceof Answered)) return Math.max(payloadMemory(result), claimedBytes(result))
  return payloadMemory(result.answer) + (result.published === null ? 0 : payloadMemory(result.published))
}

/** A shadow that lags this much behind its requests drops them until it has caught up. */
const oldestShadowedMs = 30_000

/** A sink retries until its database is back. Its input waits in the log meanwhile. */
const foreverMs = 2 ** 31 - 1
