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

/** An asynchronous node that calls a bee. Error records pass without a call, requests past their deadline become errors, and results go on. */
export function beeStep({ bee, host, batch, children, deadLetters }: BeeStepOptions): AsyncStep<string, Payload, Payload, Payload> {
  const isSink = bee.type.role === 'sink'
  // With batches two calls are enough: the next batch is packed while the last one runs. Without them, eight calls a replica overlap.
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

/** The deadline in epoch milliseconds; null where the header is absent or malformed. */
export function deadlineOf(headers: readonly Header[]): number | null {
  const text = headerText(headers, deadlineHeader)
  return text !== null && /^\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : null
}

/** The input's record with another value. Headers of the request stay; headers of the old value are replaced. */
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
/** Headers that describe a record's value and how it was made. They do not go on with another value. */
export const ofOneValue: ReadonlySet<string> = new Set(['content-type', 'waggle-error', startedHeader, finishedHeader, batchSizeHeader])

/** A sink retries until its database is back: its input waits in the log. */
const foreverMs = 2 ** 31 - 1
