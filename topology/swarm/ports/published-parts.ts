import type { Payload } from '../payload/payload.ts'

/** Takes the parts of results that bees publish while they still work (docs/decisions/parts.md). */
export interface PublishedParts {
  /**
   * Begins a run of a call. From now on only this run can add parts to the parts of earlier runs of the same call. A process that still computes the
   * call, and does not know of this run, can add no more parts.
   */
  begin(call: PublishingCall): Promise<PartsRun>
}

/** The call of a bee that publishes parts. */
export interface PublishingCall {
  readonly bee: string
  /** The id of the request. */
  readonly id: string
  /** The rounds of the request in its loops (`roundsText`); empty outside of loops. */
  readonly rounds: string
  /** The gateway that took the request; null if it is unknown. */
  readonly gateway: string | null
  /** The timestamp of the request in epoch ms. If a gateway of Waggle took the request, all parts of the call have a later timestamp. */
  readonly since: number
}

/** One run of a call, from its start to its result. */
export interface PartsRun {
  /** The parts of earlier runs, in order; null if the log no longer has all of them. */
  readonly before: readonly Payload[] | null
  /** Adds a part. Settles when the part is durable. Parts are added in the order of the calls. */
  add(number: number, part: Payload): Promise<void>
  /** Ends the call, because it failed. If the request is tried again, the next run publishes nothing. */
  fail(): Promise<void>
}
