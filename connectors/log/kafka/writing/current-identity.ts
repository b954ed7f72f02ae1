import type { ProducerIdentity } from '../wire/batch.ts'

export interface CurrentIdentityOptions {
  /** Asks a broker for a producer id. */
  readonly request: () => Promise<ProducerIdentity>
  readonly onFailed: (thrown: unknown) => void
  /** Called after each request, whether it succeeded or not. */
  readonly onEnded: () => void
}

/** The producer id under which a sender numbers its new batches (KIP-98). */
export class CurrentIdentity {
  readonly #options: CurrentIdentityOptions
  #current: ProducerIdentity | null = null
  #isRequesting = false
  /** The number of resets. A producer id is not used if it was requested before the last reset. */
  #resets = 0

  constructor(options: CurrentIdentityOptions) {
    this.#options = options
  }

  /** The current producer id; null until one is requested and arrives. */
  get current(): ProducerIdentity | null {
    return this.#current
  }

  async request(): Promise<void> {
    if (this.#isRequesting) return
    this.#isRequesting = true
    const resets = this.#resets
    try {
      const identity = await this.#options.request()
      if (resets === this.#resets) this.#current = identity
    } catch (thrown) {
      if (resets === this.#resets) this.#options.onFailed(thrown)
    } finally {
      this.#isRequesting = false
      this.#options.onEnded()
    }
  }

  /** Ends the use of `old` for new batches. Batches that the log may contain keep their id, and are sent first. */
  drop(old: ProducerIdentity | null): void {
    if (this.#current === old) this.#current = null
  }

  reset(): void {
    this.#current = null
    this.#resets++
  }
}
