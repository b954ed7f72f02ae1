import { streamsDeadLetterHeaders } from '../../topology/dead-letter.ts'
import type { FailedRecord, Handler } from '../../topology/failed-record.ts'
import { type Header, noHeaders, type Record } from '../../topology/record.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { type ErrorCode, Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { TaskMeters } from '../metrics/task-meters.ts'
import { partitionForKey } from '../partitioner.ts'
import type { RecordPlace } from './record-place.ts'
import type { TaskSurroundings } from './task-state.ts'

/** Who decides about a record that fails, and where its dead letter goes. KIP-161, KIP-210, KIP-1033, KIP-1034. */
export interface FailurePolicy {
  readonly deserialization: Handler<'resume' | 'fail'>
  readonly processing: Handler<'resume' | 'fail'>
  /**
   * `retry` is for what a log refused: the tasks go back to their last commit and try again. What cannot be serialised fails again, so
   * there it counts as `fail`. Asked of a commit that was refused too, with no record.
   */
  readonly production: Handler<'resume' | 'fail' | 'retry'>
  readonly deadLetters: DeadLetters | null
}

export interface DeadLetters {
  readonly topic: string
  /** Added to the record's own. */
  headers(error: WaggleError, record: FailedRecord): readonly Header[]
}

export type FailedStep = 'deserialization' | 'processing' | 'production'

const fail = () => 'fail' as const

/** What an application's settings say; a step that they say nothing of fails. */
export function failurePolicy(config: Partial<StreamsConfig>): FailurePolicy {
  const { deserializationHandler, processingHandler, productionHandler, deadLetterTopic } = config
  return {
    deserialization: deserializationHandler ?? fail,
    processing: processingHandler ?? fail,
    production: productionHandler ?? fail,
    deadLetters: deadLetterTopic === undefined ? null : { topic: deadLetterTopic, headers: streamsDeadLetterHeaders },
  }
}

/** As Kafka Streams' default handlers: whatever fails, fails its task. */
export const failAlways: FailurePolicy = { deserialization: fail, processing: fail, production: fail, deadLetters: null }

/** A handler has decided that this failure stands: it passes every node above it unasked. */
export class StandingFailure extends Error {
  override readonly cause: WaggleError
  /** It is to be tried again, whoever else might want to stop for it. */
  readonly retries: boolean

  constructor(cause: WaggleError, retries = false) {
    super(cause.message)
    this.cause = cause
    this.retries = retries
  }
}

/** It lost its tasks to another process, or went back to its last commit because another application of this one did: no failure of its own. */
export function isOfAnother({ code }: WaggleError): boolean {
  return code === 'WAGGLE_FENCED' || code === 'WAGGLE_COMMIT_DROPPED'
}

/** Whether what a commit was refused for is to be tried again. */
export function retriesCommit({ production }: FailurePolicy, error: WaggleError): boolean {
  return ask(production, error, { ...nothing, topic: '', partition: -1, offset: -1n, node: '', taskId: '' }) === 'retry'
}

/** A handler that fails itself is not asked again. */
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

/** The failures of one task: asks the handler, once, and writes the dead letter. */
export class TaskFailures {
  readonly #taskId: string
  readonly #place: RecordPlace
  readonly #surroundings: TaskSurroundings
  readonly #meters: TaskMeters

  constructor(taskId: string, place: RecordPlace, surroundings: TaskSurroundings, meters: TaskMeters) {
    this.#taskId = taskId
    this.#place = place
    this.#surroundings = surroundings
    this.#meters = meters
  }

  /**
   * Returns where the record is to be dropped, throws where the failure stands. `record` is null in a punctuation, which has a time.
   * `isRefusal`: it was the log that did not take it.
   */
  handle(step: FailedStep, node: string, thrown: unknown, record: Record<unknown, unknown> | null, { time = -1, isRefusal = false } = {}): void {
    if (thrown instanceof StandingFailure) throw thrown
    if (thrown instanceof Unavailable) throw new StandingFailure(thrown)
    // It failed when it was read first, and what was to be done about it was done.
    if (this.#place.isReplay) return
    const error = WaggleError.from(codes[step], thrown, { message: `${node} failed in ${step}`, next: nextOf[step] })
    const failed: FailedRecord = { ...(record ?? { ...nothing, timestamp: time }), ...this.#place.toMetadata(), node, taskId: this.#taskId }
    const { failures } = this.#surroundings
    const response = ask<string>(failures[step], error, failed)
    if (response !== 'resume') throw new StandingFailure(error, isRefusal && response === 'retry')
    this.#meters.dropped.record(1)
    if (failures.deadLetters !== null) this.#deadLetter(failures.deadLetters, error, failed)
  }

  /** Key and value as they were read, time and headers as they were where it failed; none of a punctuation. */
  #deadLetter(letters: DeadLetters, error: WaggleError, failed: FailedRecord): void {
    this.#meters.deadLetters.record(1)
    const read = this.#place.record
    const partitions = this.#surroundings.partitionsOf(letters.topic)
    const key = read?.key ?? null
    this.#surroundings.emit({
      topic: letters.topic,
      partition: key === null ? this.#place.partition % partitions : partitionForKey(key, partitions),
      key,
      value: read?.value ?? null,
      timestamp: failed.timestamp,
      headers: [...failed.headers, ...letters.headers(error, failed)],
    })
  }
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
