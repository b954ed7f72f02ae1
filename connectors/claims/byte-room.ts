import { Fifo } from '../../topology/fifo.ts'

/** Limits the bytes that are in memory at once. Waiting callers get room in the order of their requests. */
export class ByteRoom {
  readonly #maxBytes: number
  readonly #waiting = new Fifo<Waiter>()
  #taken = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Waits for room, and returns the function that gives the room back. A request for more than the whole room gets all of the room. When the signal
   * aborts, the room is given back too, because a call that nobody waits for may never end. Throws the signal's reason.
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const size = Math.min(bytes, this.#maxBytes)
    if (this.#waiting.size > 0 || this.#taken + size > this.#maxBytes) {
      const waiter: Waiter = { size, isGone: false, ...Promise.withResolvers<void>() }
      this.#waiting.push(waiter)
      const onAbort = () => {
        waiter.isGone = true
        waiter.reject(signal.reason)
        this.#letIn()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      await waiter.promise.finally(() => signal.removeEventListener('abort', onAbort))
    } else this.#taken += size
    let isBack = false
    const giveBack = () => {
      signal.removeEventListener('abort', giveBack)
      if (isBack) return
      isBack = true
      this.#taken -= size
      this.#letIn()
    }
    // The signal may have aborted between the grant and this line.
    if (signal.aborted) giveBack()
    signal.throwIfAborted()
    signal.addEventListener('abort', giveBack)
    return giveBack
  }

  #letIn(): void {
    for (let next = this.#waiting.head; next !== undefined; next = this.#waiting.head) {
      if (!next.isGone && this.#taken + next.size > this.#maxBytes) return
      this.#waiting.shift()
      if (next.isGone) continue
      this.#taken += next.size
      next.resolve()
    }
  }
}

interface Waiter {
  readonly size: number
  isGone: boolean
  readonly promise: Promise<void>
  resolve(): void
  reject(reason: unknown): void
}
