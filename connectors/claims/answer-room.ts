import type { Clock } from '../../processor/ports.ts'
import type { AnswerMemory, AnswerReader, HeldAnswers } from '../../topology/swarm/request/whole-answers.ts'

export interface AnswerRoomOptions {
  readonly clock: Pick<Clock, 'elapsedMs' | 'after'>
  readonly maxBytes: number
}

/**
 * Limits the bytes of answers that are in memory for callers. An answer takes room until its caller has read it or has left. While an answer waits for
 * room, the callers that read too slowly are cut, so slow callers cannot keep the room from others. A caller with a name waits while it holds as much
 * room as is free, so no caller can take all of it. The rule is that of dynamic thresholds in switches (Choudhury and Hahne, 1998).
 */
export class AnswerRoom implements AnswerMemory {
  readonly #options: AnswerRoomOptions
  /** The answers in memory, the oldest first. */
  readonly #held = new Set<Held>()
  /** The answers that wait for room, the oldest first. */
  readonly #waiting = new Set<Waiting>()
  readonly #heldBy = new Map<string, number>()
  #taken = 0
  #cancelLook: (() => void) | null = null

  constructor(options: AnswerRoomOptions) {
    this.#options = options
  }

  get maxBytes(): number {
    return this.#options.maxBytes
  }

  get takenBytes(): number {
    return this.#taken
  }

  /**
   * Waits for room for an answer that is then fetched. The room is also given back when the reader closes. An answer of more than the whole room gets all
   * of the room. Throws the signal's reason if the signal aborts during the wait.
   */
  async take(bytes: number, reader: AnswerReader, signal: AbortSignal): Promise<Pick<HeldAnswers, 'offer' | 'release'>> {
    signal.throwIfAborted()
    const waiting: Waiting = { bytes: Math.min(bytes, this.#options.maxBytes), reader, granted: Promise.withResolvers<Held>() }
    this.#waiting.add(waiting)
    const onAbort = () => {
      if (!this.#waiting.delete(waiting)) return
      waiting.granted.reject(signal.reason)
      this.#letIn()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#letIn()
    const held = await waiting.granted.promise.finally(() => signal.removeEventListener('abort', onAbort))
    return this.#handle(held)
  }

  hold(bytes: number, reader: AnswerReader): HeldAnswers {
    const held = this.#add(bytes, reader)
    const handle = this.#handle(held)
    handle.offer(bytes)
    if (this.#isOver) this.#lookLater()
    return handle
  }

  get #isOver(): boolean {
    return this.#taken > this.#options.maxBytes
  }

  /** Gives room to waiting answers in their order. An answer whose caller has its share already lets others pass. */
  #letIn(): void {
    for (const waiting of this.#waiting) {
      if (this.#hasShare(waiting)) continue
      if (this.#taken + waiting.bytes > this.#options.maxBytes) break
      this.#waiting.delete(waiting)
      waiting.granted.resolve(this.#add(waiting.bytes, waiting.reader))
    }
    if (this.#waiting.size > 0) this.#lookLater()
  }

  #add(bytes: number, reader: AnswerReader): Held {
    const held: Held = { bytes, reader, dueMs: Number.POSITIVE_INFINITY, isCut: false, end: () => this.#giveBack(held) }
    this.#held.add(held)
    this.#count(reader, bytes)
    reader.closed.addEventListener('abort', held.end, { once: true })
    if (reader.closed.aborted) held.end()
    return held
  }

  #handle(held: Held): HeldAnswers {
    const { clock, maxBytes } = this.#options
    return {
      offer(bytes) {
        const mostMs = held.bytes > maxBytes / 2 ? mostOfRoomMs : Number.POSITIVE_INFINITY
        held.dueMs = clock.elapsedMs() + Math.min(readingMs(bytes), mostMs)
      },
      pause() {
        held.dueMs = Number.POSITIVE_INFINITY
      },
      resize: (bytes) => {
        if (!this.#held.has(held)) return
        this.#count(held.reader, bytes - held.bytes)
        held.bytes = bytes
        if (this.#isOver) this.#lookLater()
        this.#letIn()
      },
      release: held.end,
    }
  }

  #count({ name }: AnswerReader, bytes: number): void {
    this.#taken += bytes
    const own = (this.#heldBy.get(name) ?? 0) + bytes
    if (own > 0) this.#heldBy.set(name, own)
    else this.#heldBy.delete(name)
  }

  #giveBack(held: Held): void {
    if (!this.#held.delete(held)) return
    const { bytes, reader } = held
    reader.closed.removeEventListener('abort', held.end)
    this.#count(reader, -bytes)
    this.#letIn()
  }

  #hasShare({ reader: { name } }: Waiting): boolean {
    const own = this.#heldBy.get(name) ?? 0
    return name !== '' && own > 0 && own >= this.#options.maxBytes - this.#taken
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#options.clock.after(lookMs, () => {
      this.#cancelLook = null
      this.#cutSlow()
      if (this.#waiting.size > 0 || this.#isOver) this.#lookLater()
    })
  }

  /** Cuts the slow callers in whose place a waiting answer could be. A caller that waits for its own share gets room only from its own answers. */
  #cutSlow(): void {
    const nowMs = this.#options.clock.elapsedMs()
    const waiting = [...this.#waiting]
    const isAnyUseful = this.#isOver || waiting.some((one) => !this.#hasShare(one))
    const names = new Set(waiting.map(({ reader }) => reader.name))
    for (const held of [...this.#held]) {
      if (held.isCut || nowMs < held.dueMs || !(isAnyUseful || names.has(held.reader.name))) continue
      held.isCut = true
      held.reader.cut()
    }
  }
}

interface Waiting {
  readonly bytes: number
  readonly reader: AnswerReader
  readonly granted: PromiseWithResolvers<Held>
}

interface Held {
  bytes: number
  readonly reader: AnswerReader
  /** The time from which on the caller counts as slow. Infinite until the caller can read the answer. */
  dueMs: number
  isCut: boolean
  readonly end: () => void
}

/** The time for reading an answer, while others wait for its room. */
function readingMs(bytes: number): number {
  return graceMs + (bytes / leastBytesPerSecond) * 1000
}

const graceMs = 10_000
/** The most time for an answer of more than half of the room. It is shorter than the time for which other answers may wait, so one such answer never makes the wait of another answer fail. */
const mostOfRoomMs = 15_000
const leastBytesPerSecond = 1024 * 1024
const lookMs = 1_000
