import { callName, type PublishedPart } from './part.ts'
import type { TraceStep } from './request-trace.ts'

/** The events of requests, as records of the log tell them. A record gives its event as soon as the record is durable. */
export interface RequestEvents {
  /**
   * Calls `listener` with the events of a request in their order, except the events that `lastEventId` names. Throws WAGGLE_UNKNOWN_REQUEST if the
   * log has no record of the request, and WAGGLE_OVERLOADED if too many requests are followed.
   */
  follow(id: string, lastEventId: string | null, listener: EventListener): Promise<FollowedRequest>
  /** Follows a request of this gateway that is not sent yet. */
  await(gateway: string, id: string, listener: EventListener): Promise<FollowedRequest>
}

export interface FollowedRequest {
  /** Gives all events that the log has by now, and then the outcome. For a caller that has the outcome already. */
  finish(): Promise<void>
  end(): void
}

/**
 * Called with each event. The last event of a request is `outcome`. If this process cannot tell the remaining events, the last event is `rest`, and
 * the caller has to ask again. A listener that returns false gets no further event.
 */
export type EventListener = (event: RequestEvent) => unknown

export type RequestEvent = {
  /** Names this event and all events before it. Any process can continue after these events. */
  readonly id: string
} & (
  | { readonly kind: 'accepted'; readonly gateway: string | null; readonly accepted_at: number | null }
  | { readonly kind: 'bee'; readonly step: TraceStep }
  /** A part that a bee has published. The parts of a bee come in order. */
  | { readonly kind: 'part'; readonly part: PublishedPart }
  /** The log has the first parts of a bee no longer, so some may be missing. It comes at most once. */
  | { readonly kind: 'gap' }
  | { readonly kind: 'outcome' }
  | { readonly kind: 'rest' }
)

/** The most characters of `Last-Event-ID`. HTTP bounds all headers of a request together to as many. */
export const maxLastEventId = 16 * 1024

/** True for the id of the last event of a request. */
export function isLastEvent(lastEventId: string): boolean {
  return lastEventId.split('.').includes(outcomeKey)
}

/**
 * The events that were sent, as text. Each event has a key, and dots stand between keys. The parts of a bee share one key, `BEE~NUMBER`, with the
 * number of the last part.
 */
export class SentEvents {
  readonly #keys: Set<string>
  /** The number of the last part that was sent, by bee and round. */
  readonly #lastParts: Map<string, number>
  /** The calls that published the newest parts, and most likely publish the next parts too. Their keys are the end of each id. */
  readonly #newest = new Set<string>()
  /** All other keys as text, each followed by a dot. The text is made once and not for each part, because a caller may send very many keys. */
  #settled: string

  /** Keys in `lastEventId` that name none of these bees are left out. */
  constructor(lastEventId: string | null = null, bees: ReadonlySet<string> = new Set()) {
    const keys = (lastEventId ?? '').split('.').filter((key) => ownKeys.has(key) || bees.has(/^[^@~]*/.exec(key)?.[0] ?? ''))
    const ofParts = keys.flatMap((key) => {
      const [, call, number] = /^(.+)~(\d{1,9})$/.exec(key) ?? []
      return call === undefined ? [] : [[key, call, Number(number)] as const]
    })
    this.#lastParts = new Map(ofParts.map(([, call, number]) => [call, number]))
    this.#keys = new Set(keys)
    for (const [key] of ofParts) this.#keys.delete(key)
    this.#settled = this.#allSettled()
  }

  /** The id of the event with this key; null if the event was sent before. */
  add(key: string): string | null {
    if (this.#keys.has(key)) return null
    this.#keys.add(key)
    this.#settled += `${key}.`
    return this.#id
  }

  /** The id of the event of a part; null if the part was sent before. */
  addPart({ bee, rounds, number }: Pick<PublishedPart, 'bee' | 'rounds' | 'number'>): string | null {
    const call = callName({ bee, rounds })
    const last = this.#lastParts.get(call)
    if (number <= (last ?? -1)) return null
    this.#lastParts.set(call, number)
    if (!this.#newest.has(call)) this.#addNewest(call, last !== undefined)
    return this.#id
  }

  /** The number of parts of each call up to the last one that was sent. */
  get parts(): ReadonlyMap<string, number> {
    return new Map(Array.from(this.#lastParts, ([call, last]) => [call, last + 1]))
  }

  #addNewest(call: string, isSettled: boolean): void {
    this.#newest.add(call)
    const [oldest] = this.#newest
    if (this.#newest.size > maxNewest && oldest !== undefined) {
      this.#newest.delete(oldest)
      this.#settled += `${oldest}~${this.#lastParts.get(oldest)}.`
    }
    if (isSettled) this.#settled = this.#allSettled()
  }

  #allSettled(): string {
    const ofParts = [...this.#lastParts].filter(([call]) => !this.#newest.has(call)).map(([call, number]) => `${call}~${number}`)
    return [...this.#keys, ...ofParts].map((key) => `${key}.`).join('')
  }

  /** The id of the last event. */
  get last(): string {
    return this.#id
  }

  get #id(): string {
    const newest = Array.from(this.#newest, (call) => `${call}~${this.#lastParts.get(call)}`).join('.')
    return newest === '' ? this.#settled.slice(0, -1) : this.#settled + newest
  }
}

export const acceptedKey = '*'
export const outcomeKey = '!'

const ownKeys: ReadonlySet<string> = new Set([acceptedKey, outcomeKey])
/** The most bees that are expected to publish parts side by side. */
const maxNewest = 16
