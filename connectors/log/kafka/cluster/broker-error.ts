import { AuthenticationError, NetworkError, protocolErrorsCodesById, ResponseError } from '@platformatic/kafka'
import type { TopicPartition } from '../../../../processor/ports.ts'
import { RecordRefused, WaggleError } from '../../../../topology/waggle-error.ts'
import { fenced, isFencing } from './fencing.ts'

/** An error from a broker, under Kafka's name for the error. `NETWORK` means that no answer came. */
export class BrokerError extends Error {
  readonly error: string

  constructor(error: string, detail?: string | null, cause?: unknown) {
    super(detail ? (error === 'NETWORK' ? detail : `${error}: ${detail}`) : error, cause === undefined ? undefined : { cause })
    this.name = 'BrokerError'
    this.error = error
  }
}

export function errorName(code: number): string {
  return (protocolErrorsCodesById as { readonly [code: number]: string })[code] ?? `ERROR_${code}`
}

/** Throws a BrokerError for every code except 0. */
export function expectNone(code: number, detail?: string | null): void {
  if (code !== 0) throw new BrokerError(errorName(code), detail)
}

/**
 * The response that an error of the client library contains; null if it contains none. The library throws if a response contains any error code.
 * Waggle reads the whole response instead, because each item has an error code of its own.
 */
export function responseIn(thrown: unknown): unknown {
  return thrown instanceof ResponseError ? thrown.response : null
}

export function networkError(thrown: unknown): BrokerError {
  if (thrown instanceof BrokerError) return thrown
  // The client library nests the cause of a failed connection inside its error.
  const errors = causesOf(thrown)
  const refusal = errors.findIndex((error) => error instanceof AuthenticationError)
  // A network error inside the refusal means that the connection broke before the broker answered.
  const isRefused = refusal >= 0 && !errors.slice(refusal).some((error) => error instanceof NetworkError)
  const said = errors.map(({ message }) => message.replace(/\.$/, '')).join(': ')
  return new BrokerError(isRefused ? 'SASL_AUTHENTICATION_FAILED' : 'NETWORK', said || String(thrown), thrown)
}

function causesOf(thrown: unknown): readonly Error[] {
  const errors: Error[] = []
  for (let error = thrown; error instanceof Error && errors.length < 5; error = error.cause) errors.push(error)
  return errors
}

/** True for an error that may pass. The same request may succeed later, perhaps at another broker. */
export function isPassing(thrown: unknown): thrown is BrokerError {
  return thrown instanceof BrokerError && passing.has(thrown.error)
}

/** True for an error which says that the coordinator has moved or is not ready. The coordinator must then be looked up again. */
export function isCoordinatorMoved(error: string): boolean {
  return error === 'NETWORK' || error === 'NOT_COORDINATOR' || error === 'COORDINATOR_NOT_AVAILABLE' || error === 'COORDINATOR_LOAD_IN_PROGRESS'
}

/** The error for a topic that brokers knew before and no longer know. */
export function missingTopic({ topic, partition }: TopicPartition): WaggleError {
  return new WaggleError('WAGGLE_MISSING_TOPIC', {
    message: `There is no partition ${partition} of ${topic} any more`,
    next: 'Create the topic again, or name another.',
  })
}

/** Turns a broker's error into an error for users, with a code and the next step. `doing` is the first part of the message. */
export function toWaggleError(thrown: unknown, doing: string): WaggleError {
  if (thrown instanceof WaggleError) return thrown
  const error = thrown instanceof BrokerError ? thrown.error : 'UNKNOWN'
  const said = thrown instanceof Error ? thrown.message : String(thrown)
  const message = `${doing}: ${said}`
  if (isFencing(error)) return fenced(message, thrown)
  if (notPermitted.has(error)) {
    return new WaggleError('WAGGLE_NOT_PERMITTED', {
      message,
      next: 'Give this user the right in Kafka’s ACLs, or sign in as another.',
      cause: thrown,
    })
  }
  if (error === 'SASL_AUTHENTICATION_FAILED') {
    return new WaggleError('WAGGLE_NOT_PERMITTED', { message, next: 'Correct the user and password (or token) for Kafka.', cause: thrown })
  }
  if (error === 'MESSAGE_TOO_LARGE' || error === 'RECORD_LIST_TOO_LARGE') {
    return new RecordRefused('WAGGLE_RECORD_TOO_LARGE', {
      message,
      next: 'Raise max.message.bytes of the topic, send less in one record, or keep large payloads of swarms elsewhere (WAGGLE_CLAIM_STORE).',
      cause: thrown,
    })
  }
  if (error === 'INVALID_TIMESTAMP') {
    return new RecordRefused('WAGGLE_TIME_REFUSED', {
      message,
      next: 'Correct the clock of this machine or the time of the record, or raise message.timestamp.after.max.ms (or before.max.ms) of the topic.',
      cause: thrown,
    })
  }
  if (error === 'INVALID_RECORD') {
    return new RecordRefused('WAGGLE_RECORD_REFUSED', {
      message,
      next: 'Send records that fit the settings of the topic. A compacted topic, for example, needs a key in each record.',
      cause: thrown,
    })
  }
  if (error === 'INCONSISTENT_GROUP_PROTOCOL') {
    return new WaggleError('WAGGLE_GROUP_IN_USE', {
      message,
      next: 'Give this application an id of its own: another kind of reader uses this group.',
      cause: thrown,
    })
  }
  if (error === 'CORRUPT_MESSAGE') {
    const next = 'See to the disk of the broker that leads the partition; another replica may be whole.'
    return new WaggleError('WAGGLE_LOG_DAMAGED', { message, next, cause: thrown })
  }
  if (passing.has(error)) {
    return new WaggleError('WAGGLE_LOG_UNREACHABLE', { message, next: 'See that the brokers run and can be reached from here.', cause: thrown })
  }
  return new WaggleError('WAGGLE_LOG_REFUSED', { message, next: 'Correct the cause that the broker names. Its log may say more.', cause: thrown })
}

const notPermitted: ReadonlySet<string> = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
])

const passing: ReadonlySet<string> = new Set([
  'NETWORK',
  'CORRUPT_MESSAGE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REQUEST_TIMED_OUT',
  'BROKER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER',
  'CONCURRENT_TRANSACTIONS',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'UNSTABLE_OFFSET_COMMIT',
  'UNKNOWN_TOPIC_ID',
  'THROTTLING_QUOTA_EXCEEDED',
])
