import type { AsyncWorker, Outcome } from '../../topology/async-step.ts'
import type { Record, RecordMetadata } from '../../topology/record.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { Isolation } from './killing-record-search.ts'

/** A record's rows until all are done. */
export class RecordRows<K, V, R, W> {
  readonly ticket: Ticket<K, V, W>
  readonly #combine: AsyncWorker<K, V, R, W>['combine']
  readonly #results: W[]
  /** The deadline, in milliseconds of `Clock.elapsedMs`. Nobody needs the result after the deadline. Infinite if the record has no deadline. */
  readonly deadline: number
  #left: number
  #isDone = false

  constructor(
    ticket: Ticket<K, V, W>,
    rows: number,
    { combine, deadline }: { readonly combine: AsyncWorker<K, V, R, W>['combine']; readonly deadline: number },
  ) {
    this.ticket = ticket
    this.deadline = deadline
    this.#combine = combine
    this.#results = new Array<W>(rows)
    this.#left = rows
  }

  get isDone(): boolean {
    return this.#isDone
  }

  rowDone(index: number, result: W, report: Extract<Outcome<W>, { kind: 'result' }>['report']): void {
    if (this.#isDone) return
    this.#results[index] = result
    this.#left--
    if (this.#left > 0) return
    this.#end({ kind: 'result', result: this.#combine?.(this.#results) ?? (this.#results[0] as W), report })
  }

  fail(error: WaggleError, report: Extract<Outcome<W>, { kind: 'error' }>['report']): void {
    if (!this.#isDone) this.#end({ kind: 'error', error, report })
  }

  pass(): void {
    if (!this.#isDone) this.#end({ kind: 'passed' })
  }

  /** Drops a record whose task is gone. Nobody gets its outcome. */
  forget(): void {
    this.#isDone = true
  }

  #end(outcome: Outcome<W>): void {
    this.#isDone = true
    this.ticket.done(outcome)
  }
}

/** One record on its way through an asynchronous node. */
export interface Ticket<K, V, W> {
  readonly record: Record<K, V>
  readonly metadata: RecordMetadata
  /** Called exactly once, and never while `add` runs. */
  readonly done: (outcome: Outcome<W>) => void
}

/** One row on its way into a call. */
export interface Row<K, V, R, W> {
  readonly entry: RecordRows<K, V, R, W>
  readonly value: R
  readonly index: number
  readonly since: number
  readonly attempt: number
  /** True for a row that gets a call of its own, because its batch failed or because it may have killed the process. */
  readonly isRetriedAlone: boolean
  /** The calls that may be in flight together with the row's call. */
  readonly isolation: Isolation
  /** The name of the row's record, the same after a restart. */
  readonly name: string
}
