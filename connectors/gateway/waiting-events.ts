/**
 * Events that wait for a caller which reads more slowly than they come, as they go to it: texts or bytes, whose memory is known. Events as values, such as
 * a part of ten thousand empty lists, would take many times their bytes.
 */
export class WaitingEvents<T> {
  readonly #waiting: { readonly event: T; readonly bytes: number }[] = []
  #bytes = 0

  /** The memory of the events that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds an event with this many bytes of text or content. False: it is not added, because `maxWaitingBytes` wait. */
  add(event: T, contentBytes: number): boolean {
    // One event may be larger than the bound: an answer has the size that it has.
    if (this.#bytes >= maxWaitingBytes) return false
    const bytes = contentBytes + eventOverheadBytes
    this.#waiting.push({ event, bytes })
    this.#bytes += bytes
    return true
  }

  /** The event that has waited longest; undefined if none waits. */
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

/** The most bytes that wait for one caller, apart from the last event. */
const maxWaitingBytes = 1024 * 1024

/** The memory that an event takes beside its content: its objects, and the heads of its texts or buffers. Measured: 180 to 220 bytes. */
const eventOverheadBytes = 256
