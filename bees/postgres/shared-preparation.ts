/**
 * Work that the first call starts and all calls share. Each call waits until the work is done or its own signal aborts. After a failure, the next
 * call starts the work again.
 */
export class SharedPreparation<T> {
  readonly #prepare: (signal?: AbortSignal) => Promise<T>
  /** Aborts when the bee closes. The work does not depend on the signal of any call, so an aborted call does not fail the others. */
  readonly #ends = new AbortController()
  #prepared: Promise<T> | null = null

  /** `prepare` does the work. Without a signal, it tries only once. */
  constructor(prepare: (signal?: AbortSignal) => Promise<T>) {
    this.#prepare = prepare
  }

  /** Does the work without a signal, and keeps the result for all calls. */
  async start(): Promise<void> {
    await this.#share(this.#prepare())
  }

  async result(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted()
    const prepared = this.#prepared ?? this.#share(this.#prepare(this.#ends.signal))
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([prepared, aborted])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  close(): void {
    this.#ends.abort(new Error('the bee is closed'))
  }

  #share(preparing: Promise<T>): Promise<T> {
    this.#prepared = preparing
    preparing.catch(() => {
      this.#prepared = null
    })
    return preparing
  }
}
