import type { WaggleError } from '../../waggle-error.ts'
import type { Claim, Payload } from '../payload/payload.ts'

/** A place for payloads that are too large for the log. Objects are written once, and never changed. */
export interface ClaimStore {
  /** The name of the store. Two stores with the same name have the same objects. */
  readonly name: string
  /** Settles when the object is durable. Throws `Unavailable` if the store does not answer (WAGGLE_CLAIM_STORE_AWAY) or is full (WAGGLE_CLAIM_STORE_FULL). */
  put(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** The bytes of an object; null if there is none. Throws as `put` does, and WAGGLE_CLAIM_ALTERED for an object of more than `maxBytes`. */
  get(key: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array | null>
  /** Deletes an object. A missing object is no error. */
  delete(key: string, signal: AbortSignal): Promise<void>
  /** The names of objects that sort before `before`, in order, and at most `most` of them. */
  list(before: string, most: number, signal: AbortSignal): Promise<readonly string[]>
  /** The error for a put of this many bytes now; null if there is room. A store without this method has no bound of its own. */
  refusal?(bytes: number): WaggleError | null
  /** The bytes of all objects, and their bound. Undefined: another program keeps the objects. */
  readonly usage?: { readonly bytes: number; readonly maxBytes: number }
  close(): Promise<void>
}

/** Puts large payloads into a claim store, and fetches them for the bee that reads them. */
export interface Claims {
  /** A payload of at most this many bytes travels in the log. */
  readonly maxInlineBytes: number
  /** The most bytes of fetched payloads in memory at once. The limit holds once for all sinks, and once more for all other readers. */
  readonly maxFetchedBytes: number
  /** The error for a payload of this many bytes that the store has no room for now; null if there is room. */
  refusal(bytes: number): WaggleError | null
  /** Puts the bytes of a payload into the store. The claim may be written to the log when the promise settles. */
  put(bytes: Uint8Array, contentType: string, signal: AbortSignal): Promise<Claim>
  /**
   * The payload of a claim check. Throws WAGGLE_CLAIM_MISSING, WAGGLE_CLAIM_ALTERED, WAGGLE_CLAIM_STORE, and `Unavailable` when the signal aborts while
   * the store is away.
   */
  fetch(claim: Claim, signal: AbortSignal): Promise<Payload>
  /** Deletes the object of a claim that no record names. */
  remove(claim: Claim, signal: AbortSignal): Promise<void>
  /**
   * Waits until payloads of this many bytes may be in memory, and returns the function that gives the room back. It is also given back when the signal
   * aborts. Sinks have a room of their own, because a sink whose database is away keeps its payloads until the database is back.
   */
  room(bytes: number, signal: AbortSignal, reader?: 'sink' | 'other'): Promise<() => void>
}
