import type { FailureListener } from '../../topology/failed-record.ts'
import type { JoinEntry } from '../../topology/operators/join-by-key.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import type { JoinInput } from '../../topology/swarm/plan/subtopology-plan.ts'
import { isAnsweredMark } from '../../topology/swarm/request/answered.ts'
import { beeError } from '../../topology/swarm/request/bee-error.ts'
import { isNotTaken, notTaken } from '../../topology/swarm/request/branches.ts'
import { deadlineOf } from '../../topology/swarm/request/headers.ts'
import { roundsText } from '../../topology/swarm/request/rounds.ts'
import { DueIndex } from '../operators/due-index.ts'
import { partSeparator } from '../operators/join-by-key.ts'
import { OpenedProcessor } from '../operators/opened-processor.ts'
import { failedAt } from './failed-at.ts'
import { joinTimeout } from './join-step.ts'
import { outputRecord, synchronousCall } from './output-record.ts'
import type { SynchronousSpans } from './synchronous-spans.ts'

export interface MergeOptions {
  readonly bee: SwarmBee
  readonly inputs: readonly JoinInput[]
  readonly store: string
  readonly dueStore: string
  /** The longest wait for a result, counted from the first input that is no result, in ms. */
  readonly timeoutMs: number
  /** The time for which a request with a result is remembered because further inputs may come, in ms. */
  readonly retentionMs: number
  /** The time for which a request is remembered after all its inputs have come, in ms; null on a log that never repeats records. */
  readonly duplicateRetentionMs: number | null
  readonly onFailure: FailureListener
  readonly onOutput: (bee: string, output: Payload) => void
  readonly spans: SynchronousSpans
}

type Entry = JoinEntry<Payload>

interface Parts {
  readonly context: ProcessorContext<string, Payload>
  readonly entries: KeyValueStore<string, Entry>
  readonly dues: DueIndex
}

/**
 * Forwards the first result of several inputs for each request, and drops the others. A branch that was not taken is no result. Under `on_error:
 * fail` an error is a result at once. Under `skip` an error is the result only if no other input has one. The mark of a request that has its answer
 * is a result. `join-step.ts` is the step that waits for all inputs.
 *
 * The store maps a request id to the inputs that have come. When all inputs have come, the store maps the id to an empty map. `<store>-due` has the
 * ids in the order of their expiry.
 */
export class MergeProcessor extends OpenedProcessor<string, Payload, string, Payload, Parts> {
  readonly #options: MergeOptions
  readonly #nameOf: ReadonlyMap<string, string>

  constructor(options: MergeOptions) {
    super()
    this.#options = options
    this.#nameOf = new Map(options.inputs.map(({ name, topic }) => [topic, name]))
  }

  override open(context: ProcessorContext<string, Payload>): Parts {
    const entries = context.getStateStore<KeyValueStore<string, Entry>>(this.#options.store)
    const dues = new DueIndex(context.getStateStore(this.#options.dueStore), context, (row, isDue) => this.#due(row, isDue))
    return { context, entries, dues }
  }

  process(record: Record<string, Payload>): void {
    const { context, entries, dues } = this.parts
    const { bee, inputs, timeoutMs, retentionMs, onOutput, spans } = this.#options
    const name = this.#nameOf.get(context.recordMetadata?.topic ?? '')
    if (name === undefined) return
    const { key, value, headers, timestamp } = record
    const rounds = roundsText(headers)
    const row = rounds === '' ? key : `${key}${partSeparator}${rounds}`
    const before = entries.get(row)
    if (before !== null && (before.parts.size === 0 || before.parts.has(name))) return
    const isResult = value.kind !== 'error' || isAnsweredMark(value) || (bee.onError === 'fail' && !isNotTaken(value))
    const parts = new Map(before?.parts).set(name, value.kind === 'error' ? value : came)
    const isLast = parts.size === inputs.length
    const wasSent = before?.sent ?? false
    if (isResult && !wasSent && value.kind !== 'error') onOutput(bee.name, value)
    if (isResult && !wasSent) {
      const at = context.currentSystemTime
      const inSpan = spans.called({ bee, id: key, input: record, place: context.recordMetadata, at, error: null })
      context.forward(inSpan(outputRecord(record, value, synchronousCall(at))))
    }
    if (isLast && !wasSent && !isResult) context.forward(outputRecord(record, outcomeOf(parts), null))
    if (before !== null) dues.remove(row, before.due)
    if (isLast) {
      this.#finish(row, timestamp)
      return
    }
    const now = context.currentSystemTime
    const sent = wasSent || isResult
    const due = sent ? now + retentionMs : (before?.due ?? Math.min(now + timeoutMs, deadlineOf(headers) ?? Number.POSITIVE_INFINITY))
    entries.put(row, { ...(row === key ? {} : { key }), parts, headers: sent ? [] : (before?.headers ?? headers), timestamp, due, sent })
    dues.add(row, due)
  }

  /** Called when all inputs have come. On a log that repeats records the request is remembered, because its inputs may come again. */
  #finish(row: string, timestamp: number): void {
    const { context, entries, dues } = this.parts
    const { duplicateRetentionMs } = this.#options
    if (duplicateRetentionMs === null) entries.delete(row)
    else {
      const due = context.currentSystemTime + duplicateRetentionMs
      entries.put(row, { parts: new Map(), headers: [], timestamp, due, sent: true })
      dues.add(row, due)
    }
  }

  #due(row: string, isDue: (time: number) => boolean): void {
    const { context, entries, dues } = this.parts
    const entry = entries.get(row)
    if (entry === null || !isDue(entry.due)) return
    if (entry.sent) {
      entries.delete(row)
      return
    }
    const { bee, inputs, retentionMs, onFailure } = this.#options
    const { key = row, timestamp, headers, parts } = entry
    const cause = joinTimeout(
      bee,
      inputs.flatMap(({ name }) => (parts.has(name) ? [] : [name])),
    )
    onFailure(cause, failedAt({ key, value: null, timestamp, headers: [] }, bee.name, context.taskId, null))
    context.forward(outputRecord({ key, value: came, timestamp, headers }, beeError(cause, bee.name), null))
    const due = context.currentSystemTime + retentionMs
    entries.put(row, { ...entry, due, sent: true })
    dues.add(row, due)
  }
}

/** Stands for a result that was forwarded, so that the store does not keep the result. */
const came: Payload = notTaken('', '')

/** The outcome of a request for which no input has a result: the first error, or else the message that no branch was taken. */
function outcomeOf(parts: ReadonlyMap<string, Payload>): Payload {
  const errors = [...parts.values()]
  return errors.find((part) => !isNotTaken(part)) ?? (errors[0] as Payload)
}
