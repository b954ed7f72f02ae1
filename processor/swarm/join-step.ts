import type { FailureListener } from '../../topology/failed-record.ts'
import type { JoinByKey } from '../../topology/operators/join-by-key.ts'
import { type Header, headerText } from '../../topology/record.ts'
import type { BeeRole } from '../../topology/swarm/bee-type.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload/payload-serde.ts'
import type { JoinInput } from '../../topology/swarm/plan/subtopology-plan.ts'
import { isAnsweredMark, withAnswered } from '../../topology/swarm/request/answered.ts'
import { beeError } from '../../topology/swarm/request/bee-error.ts'
import { isNotTaken } from '../../topology/swarm/request/branches.ts'
import { answeredHeader, contentTypeHeader, deadlineOf, errorHeader } from '../../topology/swarm/request/headers.ts'
import { roundsText } from '../../topology/swarm/request/rounds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { failedAt } from './failed-at.ts'

export interface JoinStepOptions {
  readonly bee: SwarmBee
  readonly inputs: readonly JoinInput[]
  readonly store: string
  readonly dueStore: string
  /** The time for which a forwarded request is remembered, in ms, so that repeated parts are ignored; null on a log that never repeats records. */
  readonly duplicateRetentionMs: number | null
  /** The least time for which an incomplete request is remembered, in ms. A request is incomplete if some of its parts did not come in time. */
  readonly lateRetentionMs: number
  readonly onFailure: FailureListener
}

/**
 * The step of a swarm that joins (`{join: [bees]}`). It is the engine's join by key, with the request's headers. Each round of a loop joins a request
 * anew. The wait ends at the request's own deadline, if that is earlier than the bee's timeout. `processor/operators/join-by-key.ts` keeps the parts,
 * and ignores a part that comes late. `merge-step.ts` is the step that forwards only the first part.
 */
export function joinStep({
  bee,
  inputs,
  store,
  dueStore,
  duplicateRetentionMs,
  lateRetentionMs,
  onFailure,
}: JoinStepOptions): JoinByKey<Payload, Payload> {
  return {
    op: 'join-by-key',
    inputs,
    store,
    dueStore,
    timeoutMs: joinTimeoutMs(bee),
    duplicateRetentionMs,
    lateRetentionMs,
    deadlineOf,
    partOf: roundsText,
    joinedHeaders,
    headersOf: (headers, value) => [...headers.filter(({ key }) => key !== contentTypeHeader && key !== errorHeader), ...payloadHeaders(value)],
    combine: (parts, missing) => joinedPayload(bee, inputs, parts, missing),
    onMissing: (key, missing, taskId) =>
      onFailure(joinTimeout(bee, missing), failedAt({ key, value: null, timestamp: -1, headers: [] }, bee.name, taskId, null)),
  }
}

/**
 * The input of a step that joins. It is one of three: the parts of all inputs, an error if an input is missing or failed, or the mark of a request
 * that is answered already. A branch that the request did not take is neither missing nor failed. A bee finds the mark of such a branch among its
 * parts, and so learns that the branch was not taken. Any other step gets only the parts of branches that were taken.
 */
function joinedPayload(
  bee: SwarmBee,
  inputs: readonly { readonly name: string }[],
  parts: ReadonlyMap<string, Payload>,
  missing: readonly string[],
): Payload {
  const answered = [...parts.values()].find(isAnsweredMark)
  if (answered !== undefined) return answered
  if (missing.length > 0 && bee.onTimeout === 'fail') {
    return beeError(joinTimeout(bee, missing), bee.name)
  }
  const ordered = new Map(inputs.flatMap(({ name }) => (parts.has(name) ? [[name, parts.get(name) as Payload] as const] : [])))
  const taken = [...ordered.values()].filter((part) => !isNotTaken(part))
  const [untaken] = ordered.values()
  if (taken.length === 0 && untaken !== undefined) return untaken
  const errors = taken.filter((part) => part.kind === 'error')
  const [first] = errors
  if (first !== undefined && (bee.onError === 'fail' || errors.length === taken.length)) return first
  return { kind: 'joined', parts: givesOn.has(bee.type.role) ? ordered : new Map([...ordered].filter(([, part]) => !isNotTaken(part))) }
}

/** The headers of a join after another part has come: the headers of the first part, and the mark of an answered request if the new part has it. */
function joinedHeaders(first: readonly Header[], next: readonly Header[]): readonly Header[] {
  const answeredBy = headerText(next, answeredHeader)
  return answeredBy === null ? first : withAnswered(first, answeredBy)
}

const givesOn: ReadonlySet<BeeRole> = new Set(['call', 'value'])

/** The longest wait of a step with several inputs, counted from the first input of a request, in ms. */
export function joinTimeoutMs({ timeoutMs }: SwarmBee): number {
  return timeoutMs ?? 30_000
}

export function joinTimeout(bee: SwarmBee, missing: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_JOIN_TIMEOUT', {
    message: `${bee.name} waited in vain for ${missing.join(', ')}`,
    next: 'Raise timeout_seconds of the join, find out what the missing bees wait for, or set on_timeout: partial.',
  })
}
