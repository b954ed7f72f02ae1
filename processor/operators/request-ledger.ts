import { type AcceptedRequest, acceptedHeader, bodyHashHeader, gatewayHeader } from '../../topology/operators/accept.ts'
import type { RequestLedger } from '../../topology/operators/request-ledger.ts'
import type { Processor, ProcessorContext } from '../../topology/processor-api.ts'
import { type Header, headerText, type Record } from '../../topology/record.ts'
import type { KeyValueStore } from '../../topology/state-store.ts'
import type { Payload } from '../../topology/swarm/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload-serde.ts'
import type { RequestEntry } from '../../topology/swarm/requests.ts'
import { DueIndex } from './due-index.ts'

export class RequestLedgerProcessor implements Processor<string, Payload, string, Payload> {
  readonly #operator: RequestLedger
  #bound: { context: ProcessorContext<string, Payload>; entries: KeyValueStore<string, RequestEntry>; dues: DueIndex } | null = null

  constructor(operator: RequestLedger) {
    this.#operator = operator
  }

  init(context: ProcessorContext<string, Payload>): void {
    const entries = context.getStateStore<KeyValueStore<string, RequestEntry>>(this.#operator.store)
    const dues = new DueIndex(context.getStateStore(this.#operator.dueStore), context, (id, due) => this.#due(id, due))
    this.#bound = { context, entries, dues }
  }

  process(record: Record<string, Payload>): void {
    if (headerText(record.headers, acceptedHeader) === null) this.#settle(record.key, record.value, record.headers, record.timestamp)
    else if (record.value.kind === 'json') this.#accept(record.key, record.value.json as AcceptedRequest)
  }

  #accept(id: string, { gateway, accepted_at, deadline, body_hash }: AcceptedRequest): void {
    if (this.#bound === null) return
    const { context, entries, dues } = this.#bound
    if (entries.get(id) !== null) return
    entries.put(id, { state: 'pending', gateway, acceptedAt: accepted_at, settledAt: null, deadline, bodyHash: body_hash, answer: null })
    dues.add(id, deadline ?? context.currentSystemTime + this.#operator.retentionMs)
  }

  #settle(id: string, answer: Payload, headers: readonly Header[], timestamp: number): void {
    if (this.#bound === null) return
    const { context, entries, dues } = this.#bound
    const before = entries.get(id)
    if (before !== null && before.state !== 'pending') return
    const now = context.currentSystemTime
    const entry: RequestEntry = {
      state: answer.kind === 'error' ? 'failed' : 'answered',
      // An outcome may overtake its request's acceptance: both come by topics of their own.
      gateway: before?.gateway ?? headerText(headers, gatewayHeader) ?? '',
      acceptedAt: before?.acceptedAt ?? timestamp,
      settledAt: now,
      deadline: before?.deadline ?? null,
      bodyHash: before?.bodyHash ?? headerText(headers, bodyHashHeader) ?? '',
      answer,
    }
    entries.put(id, entry)
    if (before !== null && before.deadline !== null) dues.remove(id, before.deadline)
    dues.add(id, now + this.#operator.retentionMs)
    context.forward({ key: id, value: answer, timestamp, headers: [...headers.filter(({ key }) => !ownHeaders.has(key)), ...payloadHeaders(answer)] })
    context.commit()
  }

  #due(id: string, due: number): void {
    if (this.#bound === null) return
    const { context, entries } = this.#bound
    const entry = entries.get(id)
    if (entry === null) return
    if (entry.state !== 'pending' || entry.deadline !== due) {
      const expired = context.currentSystemTime - (entry.settledAt ?? entry.acceptedAt) >= this.#operator.retentionMs
      if (expired) entries.delete(id)
      return
    }
    this.#settle(id, this.#deadlineError(), [], context.currentSystemTime)
  }

  #deadlineError(): Payload {
    const { bee, waitsFor } = this.#operator
    const missing = waitsFor.length === 0 ? '' : `: nothing had come from ${waitsFor.join(', ')}`
    return {
      kind: 'error',
      error: {
        code: 'WAGGLE_DEADLINE',
        status: 504,
        title: 'The deadline passed',
        detail: `The deadline passed before there was an answer${missing}`,
        bee,
      },
    }
  }
}

/** Headers that say what the value is: the answer's own take their place. */
const ownHeaders = new Set(['content-type', 'waggle-error'])
