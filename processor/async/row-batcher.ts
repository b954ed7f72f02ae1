import type { AsyncCall, AsyncStep, AsyncWorker, CallReport, SendReason } from '../../topology/async-step.ts'
import { Fifo } from '../../topology/fifo.ts'
import type { Header, Record, RecordMetadata } from '../../topology/record.ts'
import { Refused, WaggleError } from '../../topology/waggle-error.ts'
import type { CallMeters } from '../metrics/call-meters.ts'
import type { Clock } from '../ports.ts'
import { type CallTimeout, CallTimeouts } from './call-timeout.ts'
import { CallTimes } from './call-times.ts'
import type { KillingRecordSearch } from './killing-record-search.ts'
import { RecordRows, type Row, type Ticket } from './record-rows.ts'

/**
 * Turns records into calls of one worker. It also limits the calls in flight (`concurrency`), and tries failed rows again (`retries`). A batch consists
 * of rows: a record of three rows may be spread over two batches, and is done when all its rows are done. A batch is sent when another call may start
 * and one of these holds:
 *
 * - the batch is full
 * - its oldest row has waited `timeoutMs`
 * - a row's deadline is as near as the call is expected to take
 * - a worker has no call, and either `release` is `idle` or the memory of waiting rows is used up, so that no more rows can come
 *
 * A batch is full at `size` rows. With `targetMs` a batch is full earlier, if a call with more rows is expected to take longer than `targetMs`.
 */
export class RowBatcher<K, V, R, W> {
  readonly #step: AsyncStep<K, V, R, W>
  readonly #worker: AsyncWorker<K, V, R, W>
  readonly #clock: Clock
  /** The search for the record that kills the process; null if calls need not be remembered beyond a death of the process. */
  readonly #killingRecordSearch: KillingRecordSearch | null
  /** The memory of waiting rows. While the memory is full, no more rows come. */
  readonly #room: { readonly isFull: boolean }
  readonly #meters: CallMeters
  readonly #waiting = new Fifo<Row<K, V, R, W>>()
  readonly #times = new CallTimes()
  /** The number of rows that make a batch full. */
  #size: number
  /** The earliest deadline of a waiting row, in milliseconds of `Clock.elapsedMs`; infinite if no row has a deadline. */
  #nearest = Number.POSITIVE_INFINITY
  #inFlight = 0
  #scheduled = false
  #closed = false
  #cancelTimer: (() => void) | null = null
  #timerDue = Number.POSITIVE_INFINITY
  readonly #limits: CallTimeouts

  constructor(
    step: AsyncStep<K, V, R, W>,
    worker: AsyncWorker<K, V, R, W>,
    clock: Clock,
    killingRecordSearch: KillingRecordSearch | null,
    room: { readonly isFull: boolean },
    meters: CallMeters,
  ) {
    this.#meters = meters
    this.#step = step
    this.#room = room
    this.#worker = worker
    this.#clock = clock
    this.#killingRecordSearch = step.nameOf === null ? null : killingRecordSearch
    this.#limits = new CallTimeouts(clock, step.timeoutMs)
    this.#size = this.#sizeNow()
    meters.batchLimit = this.#size
    meters.open.add(this)
  }

  get calls(): number {
    return this.#inFlight
  }

  get waitingRows(): number {
    return this.#waiting.size
  }

  add(ticket: Ticket<K, V, W>): RecordRows<K, V, R, W> {
    const rows = this.#worker.split?.(ticket.record.value) ?? [ticket.record.value as unknown as R]
    const entry = new RecordRows<K, V, R, W>(ticket, rows.length, { combine: this.#worker.combine, deadline: this.#deadlineOf(ticket.record) })
    if (entry.deadline < this.#nearest) this.#nearest = entry.deadline
    const now = this.#clock.elapsedMs()
    const name = this.#killingRecordSearch === null ? '' : (this.#step.nameOf?.(ticket.record, ticket.metadata) ?? '')
    const search = this.#killingRecordSearch?.hasSuspects === true ? this.#killingRecordSearch : null
    const isolation = search?.isolationOf(name) ?? 'free'
    const verdict = search?.verdict(name) ?? null
    const isRetriedAlone = isolation === 'alone'
    for (let index = 0; index < rows.length; index++)
      this.#waiting.push({ entry, value: rows[index] as R, index, since: now, attempt: 1, isRetriedAlone, isolation, name })
    if (verdict) queueMicrotask(() => entry.fail(verdict, null))
    if (rows.length === 0) queueMicrotask(() => entry.fail(malformed('The input has no rows'), null))
    this.#schedule()
    return entry
  }

  /** Aborts the calls in flight. Afterwards no record gets an outcome. */
  close(): void {
    this.#closed = true
    this.#meters.open.delete(this)
    this.#cancelTimer?.()
    this.#waiting.clear()
    this.#limits.abortAll(new WaggleError('WAGGLE_TASK_CLOSED', { message: 'The task was closed', next: 'Nothing: the record is done again.' }))
  }

  /** Looks for a batch in a microtask, when the running code has ended, so that it sees all records which that code adds. */
  #schedule(): void {
    if (this.#scheduled || this.#closed) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    const starting: StartingCall<K, V, R, W>[] = []
    let isBlocked = false
    while (!this.#closed && this.#inFlight < this.#step.concurrency) {
      this.#dropDone()
      isBlocked = this.#killingRecordSearch?.mayStart(this.#waiting.head?.isolation ?? 'free', this.#again) === false
      if (isBlocked) break
      const reason = this.#reasonToSend()
      if (reason === null) break
      const batch = this.#nextBatch()
      // All rows of the batch may have been dropped. The row behind these rows may have another isolation, so the loop checks again.
      if (batch.length > 0) starting.push(this.#start(batch, reason))
    }
    if (starting.length > 0) this.#killingRecordSearch?.write()
    for (const call of starting) this.#call(call)
    // A blocked batch needs no timer: the call that blocks it calls `again` when it ends.
    if (!isBlocked) this.#setTimer()
  }

  readonly #again = (): void => this.#dispatch()

  #nextBatch(): Row<K, V, R, W>[] {
    const oldest = this.#waiting.head
    if (oldest === undefined) return []
    const size = oldest.isRetriedAlone ? 1 : this.#size
    const batch: Row<K, V, R, W>[] = []
    const now = this.#clock.now()
    while (batch.length < size) {
      const row = this.#waiting.head
      if (row === undefined || row.isolation !== oldest.isolation || (row.isRetriedAlone && batch.length > 0)) break
      this.#waiting.shift()
      if (row.entry.isDone) continue
      const admission = this.#step.admit(row.entry.ticket.record, now)
      if (admission === 'call') batch.push(row)
      else if (admission === 'pass') row.entry.pass()
      else row.entry.fail(admission, null)
    }
    this.#findNearest()
    return batch
  }

  #sizeNow(): number {
    const { batch } = this.#step
    if (batch === null) return 1
    return batch.targetMs === undefined ? batch.size : this.#times.mostRowsWithin(batch.targetMs, batch.size)
  }

  #learn(rows: number, ms: number): void {
    this.#times.observe(rows, ms)
    this.#size = this.#sizeNow()
    this.#meters.batchLimit = this.#size
  }

  #deadlineOf(record: Record<K, V>): number {
    const deadline = this.#step.batch === null ? null : (this.#step.deadlineOf?.(record) ?? null)
    return deadline === null ? Number.POSITIVE_INFINITY : deadline - this.#clock.now() + this.#clock.elapsedMs()
  }

  /** Finds the earliest deadline of the rows that wait. A full batch is sent at once, so it needs no deadline. */
  #findNearest(): void {
    if (this.#nearest === Number.POSITIVE_INFINITY) return
    this.#nearest = Number.POSITIVE_INFINITY
    if (this.#waiting.size >= this.#size) return
    for (const { entry } of this.#waiting) if (!entry.isDone) this.#nearest = Math.min(this.#nearest, entry.deadline)
  }

  /**
   * The latest time to send the waiting rows, if they must be done at the nearest deadline. The time allows for two calls, because another call may
   * be in flight.
   */
  get #lastDeparture(): number {
    return this.#nearest === Number.POSITIVE_INFINITY ? this.#nearest : this.#nearest - 2 * this.#times.expectedMs(this.#waiting.size) - marginMs
  }

  #dropDone(): void {
    while (this.#waiting.head?.entry.isDone) this.#waiting.shift()
  }

  /** The reason why the next batch may be sent now; null if it must wait. */
  #reasonToSend(): SendReason | null {
    const oldest = this.#waiting.head
    const policy = this.#step.batch
    if (oldest === undefined) return null
    if (policy === null || oldest.isRetriedAlone) return 'alone'
    if (this.waitingRows >= this.#size) return 'full'
    if (this.#inFlight < (this.#step.workers ?? 1) && (policy.release === 'idle' || this.#room.isFull)) return 'idle'
    const now = this.#clock.elapsedMs()
    if (now - oldest.since >= policy.timeoutMs) return 'timeout'
    return now >= this.#lastDeparture ? 'deadline' : null
  }

  /** Sets a timer for the time when the rows have waited long enough. The timer is needed only while another call may start. */
  #setTimer(): void {
    const oldest = this.#waiting.head
    const policy = this.#step.batch
    const wanted = oldest !== undefined && policy !== null && !this.#closed && this.#inFlight < this.#step.concurrency
    const due = wanted ? Math.min(oldest.since + policy.timeoutMs, this.#lastDeparture) : Number.POSITIVE_INFINITY
    if (due === this.#timerDue) return
    this.#cancelTimer?.()
    this.#cancelTimer = null
    this.#timerDue = due
    if (!wanted) return
    this.#cancelTimer = this.#clock.after(Math.max(0, due - this.#clock.elapsedMs()), () => {
      this.#timerDue = Number.POSITIVE_INFINITY
      this.#cancelTimer = null
      this.#dispatch()
    })
  }

  /** Counts a call among those in flight, before it is made. */
  #start(batch: readonly Row<K, V, R, W>[], reason: SendReason): StartingCall<K, V, R, W> {
    this.#inFlight++
    const names = batch.map(({ name }) => name)
    return { batch, reason, ended: this.#killingRecordSearch?.start(names, batch[0]?.isolation ?? 'free') ?? null }
  }

  #call(call: StartingCall<K, V, R, W>): void {
    const { batch } = call
    const startedAt = this.#clock.now()
    const departed = this.#clock.elapsedMs()
    this.#meters.sizes.observe(batch.length)
    for (const { since } of batch) this.#meters.waits.observe(Math.max(0, departed - since) / 1000)
    let isOver = false
    const over = (results: readonly (W | WaggleError)[] | WaggleError) => {
      if (isOver) return
      isOver = true
      this.#limits.end(limit)
      this.#ended(call, results, { startedAt, departed })
    }
    const limit = this.#limits.begin(over)
    const values = batch.map((row) => row.value)
    const calls = batch.map((row) => new RowCall(row, limit))
    started(() => this.#worker.call(values, calls)).then(
      (results) => over(results.length === batch.length ? results : wrongLength(results.length, batch.length)),
      (thrown: unknown) => over(WaggleError.from('WAGGLE_BEE_FAILED', thrown, { next: 'Correct the step: the cause has its stack.' })),
    )
  }

  /** Takes the call's results, or one error for all of its rows. */
  #ended(
    { batch, reason, ended }: StartingCall<K, V, R, W>,
    results: readonly (W | WaggleError)[] | WaggleError,
    { startedAt, departed }: { readonly startedAt: number; readonly departed: number },
  ): void {
    ended?.()
    this.#inFlight--
    if (this.#closed) return
    const finishedAt = this.#clock.now()
    this.#meters.called(reason, finishedAt - startedAt)
    // If a call fails early, its time does not tell how long the next call takes.
    const isTelling = !(results instanceof WaggleError) || results.code === 'WAGGLE_TIMEOUT'
    if (this.#step.batch !== null && isTelling) this.#learn(batch.length, this.#clock.elapsedMs() - departed)
    if (results instanceof WaggleError) this.#failed(batch, results, { startedAt, finishedAt, reason })
    else
      for (let at = 0; at < batch.length; at++)
        this.#rowEnded(batch[at] as Row<K, V, R, W>, results[at] as W | WaggleError, {
          startedAt,
          finishedAt,
          batchSize: batch.length,
          reason,
        })
    this.#schedule()
  }

  #rowEnded(row: Row<K, V, R, W>, result: W | WaggleError, call: Omit<CallReport, 'attempts'>): void {
    const report = { ...call, attempts: row.attempt }
    this.#meters.rows[result instanceof Refused ? 'refused' : result instanceof WaggleError ? 'failed' : 'result']++
    if (result instanceof WaggleError) row.entry.fail(result, report)
    else row.entry.rowDone(row.index, result, report)
  }

  /** Tries the rows of a failed batch one by one, so that one bad row does not fail the others. */
  #failed(
    batch: readonly Row<K, V, R, W>[],
    error: WaggleError,
    call: { readonly startedAt: number; readonly finishedAt: number; readonly reason: SendReason },
  ): void {
    const splits = batch.length > 1 && error.code !== 'WAGGLE_TIMEOUT'
    const again: Row<K, V, R, W>[] = []
    for (const row of batch) {
      if (row.entry.isDone) continue
      if (splits) again.push({ ...row, isRetriedAlone: true })
      else if (row.attempt <= this.#step.retries && !(error instanceof Refused))
        again.push({ ...row, isRetriedAlone: true, attempt: row.attempt + 1 })
      else {
        this.#meters.rows[error instanceof Refused ? 'refused' : 'failed']++
        row.entry.fail(error, { ...call, batchSize: batch.length, attempts: row.attempt })
      }
    }
    if (again.length > 0) this.#waiting.putBack(again)
  }
}

/** A call that is counted among those in flight, and not made yet. */
interface StartingCall<K, V, R, W> {
  readonly batch: readonly Row<K, V, R, W>[]
  readonly reason: SendReason
  /** To be called when the call has ended; null without a search for the record that kills the process. */
  readonly ended: (() => void) | null
}

/** The time that a batch needs in addition to its calls, for timers and other work, in ms. */
const marginMs = 5

class RowCall<K, V, R, W> implements AsyncCall<K> {
  readonly key: K
  readonly value: V
  readonly timestamp: number
  readonly headers: readonly Header[]
  readonly attempt: number
  readonly metadata: RecordMetadata
  readonly #limit: CallTimeout

  constructor({ entry, attempt }: Row<K, V, R, W>, limit: CallTimeout) {
    const { record, metadata } = entry.ticket
    this.key = record.key
    this.value = record.value
    this.timestamp = record.timestamp
    this.headers = record.headers
    this.attempt = attempt
    this.metadata = metadata
    this.#limit = limit
  }

  get signal(): AbortSignal {
    return this.#limit.signal
  }
}

function started<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (thrown) {
    return Promise.reject(thrown)
  }
}

function wrongLength(results: number, rows: number): WaggleError {
  return new WaggleError('WAGGLE_BATCH_LENGTH', {
    message: `The step gave ${results} results for ${rows} rows`,
    next: 'Return one result for each row, in the order of the rows.',
  })
}

function malformed(message: string): WaggleError {
  return new Refused(message)
}
