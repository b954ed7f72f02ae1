import type { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The answer to a failure after its tasks rolled back. `goOn`: the thread goes on from its last commit. Kafka Streams' `REPLACE_THREAD` means the
 * same here, because Waggle replaces no thread. `stop`: the thread ends.
 */
export type FailureDecision = 'goOn' | 'stop'

export type DecideFailure = (error: WaggleError) => FailureDecision
