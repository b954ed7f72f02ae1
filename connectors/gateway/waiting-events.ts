/**
 * Events that wait for a caller who reads more slowly than the events arrive. Events wait in the form that is sent, as texts or bytes, so their
 * memory is known. As values, events would take many times their bytes: an example is a part of ten thousand empty lists.
 */
export class WaitingEvents<T> {
  readonly #waiting: { readonly event: T; readonly bytes: number }[] = []
  #bytes = 0

  /** The memory of the waiting events. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds an event with this many bytes of text or content. Returns false without adding the event if `maxWaitingBytes` already wait. */
  add(event: T, contentBytes: number): boolean {
    // A single event may be larger than the bound, because an answer can have any size.
    if (this.#bytes >= maxWaitingBytes) return false
    const bytes = contentBytes + eventOverheadBytes
    this.#waiting.push({ event, bytes })
    this.#bytes += bytes
    return true
  }

  /** The oldest waiting event; undefined if no event waits. */
  take(): T | undefined {
    const next = this.#waiting.shift()
    if (next === undefined) return undefined
    this.#bytes -= next.bytes
    return next.event
  }

  clear(): void {
    this.#waiting.length = 0
    this.#bytes = 0
  }
}

/** The most bytes that may wait for one caller, not counting the last event. */
const maxWaitingBytes = 1024 * 1024

/** The memory of an event besides its content: its objects, and the heads of its texts or buffers. Measured: 180 to 220 bytes. */
const eventOverheadBytes = 256
