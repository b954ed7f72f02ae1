import type { TraceStep } from './request-trace.ts'

/** The events of requests, as records of the log tell them. Each record gives its event once it is durable. */
export interface RequestEvents {
  /**
   * Calls `listener` with the events of a request in their order, except those that `lastEventId` names. Throws WAGGLE_UNKNOWN_REQUEST if the log has
   * no record of the request, and WAGGLE_OVERLOADED if too many requests are followed.
   */
  follow(id: string, lastEventId: string | null, listener: EventListener): Promise<FollowedRequest>
  /** Follows a request of this gateway that is not sent yet. */
  await(gateway: string, id: string, listener: EventListener): Promise<FollowedRequest>
}

export interface FollowedRequest {
  /** Gives all events that the log has by now, and the outcome as the last one. For a caller that has the outcome already. */
  finish(): Promise<void>
  end(): void
}

/** The last event of a request is `outcome`. If this process cannot tell the remaining events, the last one is `rest`, and the caller has to ask again. */
export type EventListener = (event: RequestEvent) => void

export type RequestEvent = {
  /** Names all events up to this event. Any process can go on after them. */
  readonly id: string
} & (
  | { readonly kind: 'accepted'; readonly gateway: string | null; readonly accepted_at: number | null }
  | { readonly kind: 'bee'; readonly step: TraceStep }
  | { readonly kind: 'outcome' }
  | { readonly kind: 'rest' }
)

/** True for the id of an event after which there is no other. */
export function isLastEvent(lastEventId: string): boolean {
  return lastEventId.split('.').includes(outcomeKey)
}

/** The events that were sent, as text. */
export class SentEvents {
  readonly #keys: Set<string>

  constructor(lastEventId: string | null) {
    this.#keys = new Set(lastEventId === null ? [] : lastEventId.split('.'))
  }

  /** The id of the event with this key; null if it was sent before. */
  add(key: string): string | null {
    if (this.#keys.has(key)) return null
    this.#keys.add(key)
    return [...this.#keys].filter((one) => one !== '').join('.')
  }
}

export const acceptedKey = '*'
export const outcomeKey = '!'
