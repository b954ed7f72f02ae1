import type { AsyncStep } from '../../topology/async-step.ts'
import type { FailureListener } from '../../topology/failed-record.ts'
import type { ProcessorContext } from '../../topology/processor-api.ts'
import type { Record } from '../../topology/record.ts'
import { claimedBytes, withoutClaims } from '../../topology/swarm/payload/claimed-payload.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadMemory } from '../../topology/swarm/payload/payload-memory.ts'
import { payloadHeaders } from '../../topology/swarm/payload/payload-serde.ts'
import type { Claims } from '../../topology/swarm/ports/claims.ts'
import { beeError } from '../../topology/swarm/request/bee-error.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import { contentTypeHeader } from '../../topology/swarm/request/headers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ClaimOrigins } from './claim-origins.ts'
import { failedAt } from './failed-at.ts'

export interface ClaimStepOptions {
  readonly claims: Claims
  /** Learns the claims of the payloads that were fetched. */
  readonly origins: ClaimOrigins
  /** The bee that reads the payloads. Errors name it. */
  readonly bee: string
  readonly children: readonly string[]
  readonly deadLetters: string
  readonly onFailure: FailureListener
  /** The most bytes of a payload that a join keeps whole behind this step. Undefined: no join is behind it, or a join keeps any size. */
  readonly maxJoinedBytes?: number
}

/**
 * An asynchronous node that fetches large payloads for synchronous bees, which cannot wait. It stands behind the source of their sub-topology. A
 * payload without a claim passes without a call. An asynchronous bee fetches its payloads itself (`bees/hosting/claimed-host.ts`).
 */
export function claimStep({
  claims,
  origins,
  bee,
  children,
  deadLetters,
  onFailure,
  maxJoinedBytes,
}: ClaimStepOptions): AsyncStep<string, Payload, Payload, Payload> {
  return {
    open: async () => ({
      call: (rows, calls) => Promise.all(rows.map((row, at) => fetched(row, calls[at]?.signal ?? neverAborted))),
    }),
    batch: null,
    concurrency: 8,
    counts: 'thread',
    maxInFlight: 256,
    bytesOf: (payload) => Math.max(payloadMemory(payload), claimedBytes(payload)),
    timeoutMs: 30_000,
    ordered: 'key',
    retries: 0,
    nameOf: null,
    admit: ({ value }) => (value !== null && claimedBytes(value) > 0 ? 'call' : 'pass'),
    forward(outcome, record, context) {
      if (outcome.kind === 'error') {
        fail(outcome.error, record, context)
        return
      }
      if (outcome.kind === 'result') origins.note(outcome.result, record.value)
      forwardAll(outcome.kind === 'passed' ? record : withValue(record, outcome.result), context)
    },
  }

  async function fetched(row: Payload, signal: AbortSignal): Promise<Payload | WaggleError> {
    if (maxJoinedBytes !== undefined && claimedBytes(row) > maxJoinedBytes) return tooLargeForJoin(bee, claimedBytes(row), maxJoinedBytes)
    try {
      return await withoutClaims(row, (claim) => claims.fetch(claim, signal))
    } catch (thrown) {
      return WaggleError.from('WAGGLE_CLAIM_STORE', thrown, { message: 'A payload could not be fetched', next: 'Look at the claim store.' })
    }
  }

  function fail(error: WaggleError, record: Record<string, Payload>, context: ProcessorContext<unknown, unknown>): void {
    onFailure(error, failedAt(record, bee, context.taskId, context.recordMetadata))
    context.forward(deadLetter(record, error, bee, context), deadLetters)
    forwardAll(withValue(record, beeError(error, bee)), context)
  }

  function forwardAll(record: Record<string, Payload>, context: ProcessorContext<unknown, unknown>): void {
    for (const child of children) context.forward(record, child)
  }
}

function tooLargeForJoin(bee: string, bytes: number, maxBytes: number): WaggleError {
  return new WaggleError('WAGGLE_RESULT_TOO_LARGE', {
    message: `A payload of ${bytes} bytes would wait in a join for ${bee}. This bee is synchronous, so the join keeps the payload itself, and at most ${maxBytes} bytes travel in the log`,
    next: 'Let an asynchronous bee (module, python, container) read the join. Or raise WAGGLE_MAX_INLINE_BYTES, and max.message.bytes of the topics.',
  })
}

function withValue(record: Record<string, Payload>, value: Payload): Record<string, Payload> {
  return { ...record, value, headers: [...record.headers.filter(({ key }) => key !== contentTypeHeader), ...payloadHeaders(value)] }
}

const neverAborted = new AbortController().signal
