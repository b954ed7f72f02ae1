import { WaggleError } from '../../../../topology/waggle-error.ts'

/**
 * Fencing: another producer or another member of the group has taken over, so this process may no longer write or commit. `isFencing` tells it from a
 * broker's error code. `KafkaTaskProducer` also concludes it from a lost seat, before any broker has answered.
 */
export function isFencing(error: string): boolean {
  return fencingErrors.has(error)
}

/** The error of work that is lost because another process has taken over. The stream thread makes another producer and goes on from its last commit. */
export function fenced(message: string, cause?: unknown): WaggleError {
  return new WaggleError('WAGGLE_FENCED', {
    message,
    next: 'Nothing: the process goes back to its last commit.',
    ...(cause === undefined ? {} : { cause }),
  })
}

const fencingErrors: ReadonlySet<string> = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
  'TRANSACTION_COORDINATOR_FENCED',
])
