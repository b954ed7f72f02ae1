import { streamsDeadLetterHeaders } from '../../topology/dead-letter.ts'
import type { FailedRecord, Handler } from '../../topology/failed-record.ts'
import { type Header, noHeaders, type Record } from '../../topology/record.ts'
import type { StreamsConfig } from '../../topology/streams-config.ts'
import { type ErrorCode, WaggleError } from '../../topology/waggle-error.ts'
import type { Sensor } from '../metrics/sensor.ts'
import type { RecordPlace } from './record-place.ts'
import type { TaskSurroundings } from './task-state.ts'

/** Who decides about a record that fails, and where its dead letter goes. KIP-161, KIP-210, KIP-1033, KIP-1034. */
export interface FailurePolicy {
  readonly deserialization: Handler<'resume' | 'fail'>
  readonly processing: Handler<'resume' | 'fail'>
  /** `retry` is for what a log refused; what cannot be serialised fails again, so it counts as `fail`. */
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

  constructor(cause: WaggleError) {
    super(cause.message)
    this.cause = cause
  }
}

/** The failures of one task: asks the handler, once, and writes the dead letter. */
export class TaskFailures {
  readonly #taskId: string
  readonly #place: RecordPlace
  readonly #surroundings: TaskSurroundings
  readonly #dropped: Sensor

  constructor(taskId: string, place: RecordPlace, surroundings: TaskSurroundings, dropped: Sensor) {
    this.#taskId = taskId
    this.#place = place
    this.#surroundings = surroundings
    this.#dropped = dropped
  }

  /** Returns where the record is to be dropped, throws where the failure stands. `record` is null in a punctuation. */
  handle(step: FailedStep, node: string, thrown: unknown, record: Record<unknown, unknown> | null): void {
    if (thrown instanceof StandingFailure) throw thrown
    // It failed when it was read first, and what was to be done about it was done.
    if (this.#place.isReplay) return
    const error = WaggleError.from(codes[step], thrown, { message: `${node} failed in ${step}`, next: nextOf[step] })
    const failed: FailedRecord = { ...(record ?? nothing), ...this.#place.toMetadata(), node, taskId: this.#taskId }
    const { failures } = this.#surroundings
    if (failures[step](error, failed) !== 'resume') throw new StandingFailure(error)
    this.#dropped.record(1)
    if (failures.deadLetters !== null) this.#deadLetter(failures.deadLetters, error, failed)
  }

  /** The record as it was read, so that it can be sent again. */
  #deadLetter(letters: DeadLetters, error: WaggleError, failed: FailedRecord): void {
    const read = this.#place.record
    this.#surroundings.emit({
      topic: letters.topic,
      partition: this.#place.partition % this.#surroundings.partitionsOf(letters.topic),
      key: read?.key ?? null,
      value: read?.value ?? null,
      timestamp: read?.timestamp ?? failed.timestamp,
      headers: [...(read?.headers ?? noHeaders), ...letters.headers(error, failed)],
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
