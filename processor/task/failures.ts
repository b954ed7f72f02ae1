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
  /** A record that goes on in place of one that a handler let go, so that whoever waits for it hears of the failure; null: none does. */
  readonly standIn?: (error: WaggleError, failed: FailedRecord) => Record<unknown, unknown> | null
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

/** Whether a commit that was refused for no record of its own is to be tried again. */
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
   * Asks the handler about a record that failed. Where it lets the record go, returns what goes on in its place, or null; throws where the failure
   * stands. `record` is null in a punctuation, which has a time. `isRefusal`: the log did not take it.
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
    // It failed when it was read first, and what was to be done about it was done.
    if (this.#place.isReplay) return null
    const error = WaggleError.from(codes[step], thrown, { message: `${node} failed in ${step}`, next: nextOf[step] })
    return this.#decide(step, error, this.#failed(node, record ?? { ...nothing, timestamp: time }), { isRefusal, letter: 'whole' })
  }

  /** As `handle`, about an input whose commit was refused. Its dead letter becomes smaller with the times that this happened, and goes in the end. */
  refused(node: string, error: WaggleError, record: Record<unknown, unknown>, times: number): Record<unknown, unknown> | null {
    const letter = times === 1 ? 'whole' : times === 2 ? 'bare' : 'none'
    const standIn = this.#decide('production', error, this.#failed(node, record), { isRefusal: true, letter })
    return times <= 2 ? standIn : null
  }

  #failed(node: string, record: Record<unknown, unknown>): FailedRecord {
    return { ...record, ...this.#place.toMetadata(), node, taskId: this.#taskId }
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
    if (failures.deadLetters !== null && letter !== 'none') this.#deadLetter(failures.deadLetters, error, failed, letter)
    return failures.standIn?.(error, failed) ?? null
  }

  /** Key and value as they were read, time and headers as they were where it failed; none of a punctuation. A bare one has neither value nor the record's own headers. */
  #deadLetter(letters: DeadLetters, error: WaggleError, failed: FailedRecord, letter: 'whole' | 'bare'): void {
    this.#meters.deadLetters.record(1)
    const read = this.#place.record
    const partitions = this.#surroundings.partitionsOf(letters.topic)
    const key = read?.key ?? null
    const isWhole = letter === 'whole'
    this.#surroundings.emit({
      topic: letters.topic,
      partition: key === null ? this.#place.partition % partitions : partitionForKey(key, partitions),
      key,
      value: isWhole ? (read?.value ?? null) : null,
      timestamp: failed.timestamp,
      headers: [...(isWhole ? failed.headers : noHeaders), ...letters.headers(error, failed)],
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
