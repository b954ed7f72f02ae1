import type { AsyncStep, BatchPolicy, CallReport, Outcome } from '../async-step.ts'
import { deadlineHeader } from '../operators/accept.ts'
import type { ProcessorContext } from '../processor-api.ts'
import { type Header, headerText, type Record, textHeader } from '../record.ts'
import { beeError, deadlinePassed, isFailure } from './bee-error.ts'
import type { BeeHost } from './bee-host.ts'
import type { SwarmBee } from './checked-swarm.ts'
import { deadLetter } from './dead-letter.ts'
import type { Payload } from './payload.ts'
import { payloadMemory } from './payload-memory.ts'
import { payloadHeaders } from './payload-serde.ts'

export interface BeeStepOptions {
  readonly bee: SwarmBee
  readonly host: BeeHost
  readonly batch: BatchPolicy | null
  readonly children: readonly string[]
  readonly deadLetters: string
}

/** A bee that takes time, as an asynchronous node: errors pass it by, the late are turned away, and what it gives goes on. */
export function beeStep({ bee, host, batch, children, deadLetters }: BeeStepOptions): AsyncStep<string, Payload, Payload, Payload> {
  const isSink = bee.type.role === 'sink'
  // Two calls: the next batch is packed while the last one runs. Without batches, as many as a module or a process may overlap.
  const concurrency = (batch === null ? 8 : 2) * bee.replicas
  return {
    open: () => host.open(bee),
    batch,
    concurrency,
    counts: 'thread',
    maxInFlight: Math.max(256, 2 * concurrency * (batch?.size ?? 1)),
    bytesOf: payloadMemory,
    timeoutMs: bee.timeoutMs ?? (isSink ? foreverMs : 30_000),
    ordered: 'partition',
    retries: 0,
    nameOf: isSink ? null : (record) => `${bee.name}/${record.key}`,
    admit(record, nowMs) {
      if (record.value.kind === 'error') return 'pass'
      if (isSink) return 'call'
      const deadline = deadlineOf(record.headers)
      return deadline !== null && deadline <= nowMs ? deadlinePassed(`The deadline passed before ${bee.name} had its turn`) : 'call'
    },
    forward(outcome, record, context) {
      forwardOutcome(outcome, record, context)
    },
  }

  function forwardOutcome(outcome: Outcome<Payload>, record: Record<string, Payload>, context: ProcessorContext<unknown, unknown>): void {
    if (outcome.kind === 'error') {
      const error = beeError(outcome.error, bee.name)
      if (isFailure(error.error)) context.forward(deadLetter(record, outcome.error, bee.name, context), deadLetters)
      for (const child of children) context.forward(outputRecord(record, error, outcome.report), child)
      return
    }
    const next = outcome.kind === 'passed' ? record : outputRecord(record, outcome.result, outcome.report)
    for (const child of children) context.forward(next, child)
  }
}

/** Epoch milliseconds; null where the header is none. */
export function deadlineOf(headers: readonly Header[]): number | null {
  const text = headerText(headers, deadlineHeader)
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}

/** The input's record with another value: what belongs to the request stays, what was said of the old value goes. */
export function outputRecord<K>(input: Record<K, Payload>, value: Payload, report: CallReport | null): Record<K, Payload> {
  const headers = input.headers.filter(({ key }) => !ofOneValue.has(key))
  headers.push(...payloadHeaders(value))
  if (report !== null) {
    headers.push(
      textHeader(startedHeader, String(report.startedAt)),
      textHeader(finishedHeader, String(report.finishedAt)),
      textHeader(batchSizeHeader, String(report.batchSize)),
    )
  }
  return { key: input.key, value, timestamp: input.timestamp, headers }
}

export const startedHeader = 'waggle-started-at'
export const finishedHeader = 'waggle-finished-at'
export const batchSizeHeader = 'waggle-batch-size'
/** Headers that say what a record's value is and how it was made. */
export const ofOneValue: ReadonlySet<string> = new Set(['content-type', 'waggle-error', startedHeader, finishedHeader, batchSizeHeader])

/** A sink retries until its database is back: the log is where its input waits. */
const foreverMs = 2 ** 31 - 1
