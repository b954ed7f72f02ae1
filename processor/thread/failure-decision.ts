import type { WaggleError } from '../../topology/waggle-error.ts'

/**
 * The answer to a failure after its tasks rolled back. `goOn`: the thread goes on from its last commit; none is replaced, so this is also the meaning of
 * Kafka Streams' `REPLACE_THREAD`. `stop`: the thread ends.
 */
export type FailureDecision = 'goOn' | 'stop'

export type DecideFailure = (error: WaggleError) => FailureDecision
