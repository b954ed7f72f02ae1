import { streamsDeadLetterHeaders } from '../../topology/dead-letter-headers.ts'
import type { ErrorCode } from '../../topology/error-codes.ts'
import type { FailedRecord, Handler } from '../../topology/failed-record.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { type Header, noHeaders, type Record } from '../../topology/record.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { TaskMeters } from '../metrics/task-meters.ts'
import { DamagedValue } from '../ports.ts'
import type { CurrentRecord } from './current-record.ts'
import type { TaskSurroundings } from './task-surroundings.ts'

/** The handlers that decide about failed records, and the topic of dead letters. KIP-161, KIP-210, KIP-1033, KIP-1034. */
export interface FailurePolicy {
  readonly deserialization: Handler<'resume' | 'fail'>
  readonly processing: Handler<'resume' | 'fail'>
  /**
   * Decides about a record that could not be produced, and about a refused commit. A refused commit has no record. After `retry` the tasks go back to
   * their last commit and try again. For a record that cannot be serialised, `retry` counts as `fail`, because it would fail again.
   */
  readonly production: Handler<'resume' | 'fail' | 'retry'>
  readonly deadLetters: DeadLetters | null
  /** Called with each failure for which a handler returned `resume`. */
  readonly onResumed?: (error: WaggleError) => void
  /** Makes a record in place of a failed and skipped record, so that a waiting receiver learns of the failure. Null: nothing takes its place. */
  readonly replacement?: (error: WaggleError, failed: FailedRecord) => Record<unknown, unknown> | null
  /** Makes a record for another topic that tells of a failed and skipped record. Null: no record is made. */
  readonly notice?: (error: WaggleError, failed: FailedRecord) => FailureNotice | null
}

export interface FailureNotice {
  readonly topic: string
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly headers: readonly Header[]
}

export interface DeadLetters {
  readonly topic: string
  /** True if the error gets a dead letter. False for an error that is no failure, such as a refusal. By default every error gets a dead letter. */
  keeps?(error: WaggleError): boolean
  /** Headers that are added to the record's own. */
  headers(error: WaggleError, record: FailedRecord): readonly Header[]
}

export type FailedStep = 'deserialization' | 'processing' | 'production'

const fail = () => 'fail' as const

/** The policy of an application's settings. Without a setting, a failure fails the task. */
export function failurePolicy(config: Partial<StreamsConfig>): FailurePolicy {
  const { deserializationHandler, processingHandler, productionHandler, deadLetterTopic } = config
  return {
    deserialization: deserializationHandler ?? fail,
    processing: processingHandler ?? fail,
    production: productionHandler ?? fail,
    deadLetters: deadLetterTopic === undefined ? null : { topic: deadLetterTopic, headers: streamsDeadLetterHeaders },
  }
}

/** Kafka Streams' default handlers. Every failure fails its task. */
export const failAlways: FailurePolicy = { deserialization: fail, processing: fail, production: fail, deadLetters: null }

/** A failure that its handler did not skip. Nodes pass the failure on without asking a handler again. */
export class StandingFailure extends Error {
  override readonly cause: WaggleError
  /** True if the record is tried again, even if the application would stop for the failure. */
  readonly retries: boolean

  constructor(cause: WaggleError, retries = false) {
    super(cause.message)
    this.cause = cause
    this.retries = retries
  }
}

/**
 * True for a failure with a cause outside of this application. Either another process took over the tasks, or the abort of another application
 * dropped this application's commit.
 */
export function isOfAnother({ code }: WaggleError): boolean {
  return code === 'WAGGLE_FENCED' || code === 'WAGGLE_COMMIT_DROPPED'
}

/** True if a commit that was refused for no particular record is tried again. */
export function retriesCommit({ production }: FailurePolicy, error: WaggleError): boolean {
  return ask(production, error, { ...nothing, topic: '', partition: -1, offset: -1n, node: '', taskId: '' }) === 'retry'
}

/** Asks a handler. A handler that throws is not asked again. */
function ask<Response>(handler: Handler<Response>, error: WaggleError, failed: FailedRecord): Response {
  try {
    return handler(error, failed)
  } catch (thrown) {
    throw new StandingFailure(
      new WaggleError('WAGGLE_HANDLER_FAILED', {
        message: `The handler that was asked about "${error.message}" failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        next: 'Correct the handler.',
        cause: thrown,
      }),
    )
  }
}

/** The failures of one task. This class asks the handler once about each failure, and writes dead letters. */
export class TaskFailures {
  readonly #taskId: string
  readonly #current: CurrentRecord
  readonly #surroundings: TaskSurroundings
  readonly #meters: TaskMeters

  constructor(taskId: string, current: CurrentRecord, surroundings: TaskSurroundings, meters: TaskMeters) {
    this.#taskId = taskId
    this.#current = current
    this.#surroundings = surroundings
    this.#meters = meters
  }

  /**
   * Asks the handler about a failed record. If the handler skips the record, returns the record that takes its place, or null; otherwise throws.
   * `record` is null in a punctuation, which only has a time. `isRefusal`: the log refused the record.
   */
  handle(
    step: FailedStep,
    node: string,
    thrown: unknown,
    record: Record<unknown, unknown> | null,
    { time = -1, isRefusal = false } = {},
  ): Record<unknown, unknown> | null {
    if (thrown instanceof StandingFailure) throw thrown
    if (thrown instanceof Unavailable) throw new StandingFailure(thrown)
    // The failure was handled when the record was first read.
    if (this.#current.isReplay) return null
    const error = WaggleError.from(codes[step], thrown, { message: `${node} failed in ${step}`, next: nextOf[step] })
    const failed = this.#failed(node, record ?? { ...nothing, timestamp: time })
    return this.#decide(step, placed(error, failed), failed, { isRefusal, letter: 'whole' })
  }

  /** Handles an input whose commit was refused. The input's dead letter shrinks with each further refusal, and is left out in the end. */
  refused(node: string, error: WaggleError, record: Record<unknown, unknown>, times: number): Record<unknown, unknown> | null {
    const letter = times === 1 ? 'whole' : times === 2 ? 'bare' : 'none'
    const failed = this.#failed(node, record)
    const replacement = this.#decide('production', error.withRecord(placeWords(failed)), failed, { isRefusal: true, letter })
    return times <= 2 ? replacement : null
  }

  #failed(node: string, record: Record<unknown, unknown>): FailedRecord {
    return { ...record, ...this.#current.toMetadata(), node, taskId: this.#taskId }
  }

  #decide(
    step: FailedStep,
    error: WaggleError,
    failed: FailedRecord,
    { isRefusal, letter }: { readonly isRefusal: boolean; readonly letter: 'whole' | 'bare' | 'none' },
  ): Record<unknown, unknown> | null {
    const { failures } = this.#surroundings
    const response = ask<string>(failures[step], error, failed)
    if (response !== 'resume') throw new StandingFailure(error, isRefusal && response === 'retry')
    this.#meters.dropped.record(1)
    failures.onResumed?.(error)
    const { deadLetters } = failures
    if (deadLetters !== null && letter !== 'none' && deadLetters.keeps?.(error) !== false) this.#deadLetter(deadLetters, error, failed, letter)
    const notice = failures.notice?.(error, failed) ?? null
    if (notice !== null) {
      const partition = partitionForKey(notice.key, this.#surroundings.partitionsOf(notice.topic))
      this.#surroundings.emit({ ...notice, partition, timestamp: failed.timestamp })
    }
    return failures.replacement?.(error, failed) ?? null
  }

  /**
   * Writes a dead letter. Key and value are as they were read. Time and headers are as they were at the failing node. A punctuation has no key,
   * value, time or headers. A bare letter has neither the value nor the record's own headers. A letter about a damaged value has no value.
   */
  #deadLetter(letters: DeadLetters, error: WaggleError, failed: FailedRecord, letter: 'whole' | 'bare'): void {
    this.#meters.deadLetters.record(1)
    const read = this.#current.record
    const partitions = this.#surroundings.partitionsOf(letters.topic)
    const key = read?.key ?? null
    const isWhole = letter === 'whole'
    this.#surroundings.emit({
      topic: letters.topic,
      partition: key === null ? this.#current.partition % partitions : partitionForKey(key, partitions),
      key,
      value: isWhole && !(read?.value instanceof DamagedValue) ? (read?.value ?? null) : null,
      timestamp: failed.timestamp,
      headers: [...(isWhole ? failed.headers : noHeaders), ...letters.headers(error, failed)],
    })
  }
}

/** The error with the record's place. A refusal gets no place, because its message is for the caller, who knows no topics. */
function placed(error: WaggleError, failed: FailedRecord): WaggleError {
  return error.code === 'WAGGLE_REFUSED' ? error : error.withRecord(placeWords(failed))
}

/** The place of a failed record, as the end of an error's message. */
function placeWords({ taskId, topic, partition, offset }: FailedRecord): string {
  return topic === '' ? `(task ${taskId}, in a punctuation)` : `(task ${taskId}, topic ${topic}, partition ${partition}, offset ${offset})`
}

const nothing: Record<unknown, unknown> = { key: null, value: null, timestamp: -1, headers: noHeaders }

const codes: { readonly [step in FailedStep]: ErrorCode } = {
  deserialization: 'WAGGLE_DESERIALIZATION_FAILED',
  processing: 'WAGGLE_PROCESSING_FAILED',
  production: 'WAGGLE_PRODUCTION_FAILED',
}

const nextOf: { readonly [step in FailedStep]: string } = {
  deserialization: 'Look at who writes this topic, or set a deserializationHandler that resumes.',
  processing: 'Correct the function, or set a processingHandler that resumes.',
  production: 'Give the sink a serde that takes this value, or set a productionHandler that resumes.',
}
