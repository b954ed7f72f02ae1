export interface ShadowGateOptions {
  /** Calls `act` once, after `ms`. */
  readonly after: (ms: number, act: () => void) => () => void
}

/**
 * Decides when the shadow of a bee may compute in this process: when the bee has finished the same requests and has no open call. If the shadow waits
 * too long, the process is under load, and the shadow's rows are dropped.
 */
export class ShadowGate {
  readonly #options: ShadowGateOptions
  /** The ids of the requests that the bee finished last. */
  readonly #done = new Set<string>()
  readonly #waiting = new Set<() => void>()
  #calls = 0

  constructor(options: ShadowGateOptions) {
    this.#options = options
  }

  /** Calls the bee for these requests. */
  async call<T>(requests: readonly { readonly key: string }[], act: () => Promise<T>): Promise<T> {
    this.#calls++
    try {
      return await act()
    } finally {
      this.#calls--
      for (const { key } of requests) this.#done.add(key)
      for (const key of this.#done) {
        if (this.#done.size <= maxDone) break
        this.#done.delete(key)
      }
      for (const look of [...this.#waiting]) look()
    }
  }

  /** Settles with true when the shadow may compute these requests, and with false after one second. */
  enter(requests: readonly { readonly key: string }[]): Promise<boolean> {
    // On a cluster the bee may run in another process, whose calls are not known here.
    const isBeeHere = this.#done.size > 0 || this.#calls > 0
    const isFree = () => this.#calls === 0 && (!isBeeHere || requests.every(({ key }) => this.#done.has(key)))
    if (isFree()) return Promise.resolve(true)
    return new Promise((resolve) => {
      const end = (mayCompute: boolean) => {
        cancel()
        this.#waiting.delete(look)
        resolve(mayCompute)
      }
      const look = () => {
        if (isFree()) end(true)
      }
      const cancel = this.#options.after(longestWaitMs, () => end(this.#calls === 0))
      this.#waiting.add(look)
    })
  }
}

const longestWaitMs = 1000
const maxDone = 10_000
