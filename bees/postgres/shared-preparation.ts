/** Work that the first call starts and all calls wait for, each as long as its own signal lets it. Work that failed is started again by the next call. */
export class SharedPreparation<T> {
  readonly #prepare: (signal?: AbortSignal) => Promise<T>
  /** Aborts with the bee: the work belongs to no call, so the end of one call is no error of the others. */
  readonly #ends = new AbortController()
  #prepared: Promise<T> | null = null

  /** Without a signal `prepare` tries once. */
  constructor(prepare: (signal?: AbortSignal) => Promise<T>) {
    this.#prepare = prepare
  }

  /** Tries once, and keeps the result for all calls. */
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
