/** Counts the connections that may be lent at a time. Calls get a connection in the order of their arrival. */
export class ConnectionSlots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Waits for a free slot. If `signal` aborts first, rejects with its reason. */
  take(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(onFree)
        reject(signal?.reason)
      }
      const onFree = () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiting.add(onFree)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** Gives the slot to the call that has waited longest. */
  release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
