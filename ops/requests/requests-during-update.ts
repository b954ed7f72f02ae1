import type { Clock } from '../../processor/ports.ts'
import { deadlinePassed } from '../../topology/swarm/request/bee-error.ts'
import type { NewRequest } from '../../topology/swarm/request/requests.ts'
import { WaggleError } from '../../topology/waggle-error.ts'

export interface RequestsDuringUpdateOptions {
  readonly clock: Pick<Clock, 'now' | 'after'>
  /** The most requests of all gateways that wait for an update, or that waited and have no outcome yet. */
  readonly maxRequests: number
  /** The most bytes of bodies that wait. */
  readonly maxBytes: number
}

/**
 * Requests that arrive while their swarm changes to another version. They wait, and have places of their own: if they took the places of requests in
 * flight, a wait of a few seconds would fill these places, and the update would fail later requests. After the wait the swarm has a backlog. So a
 * request that arrives before the backlog is gone gets such a place too, for at most `catchUpMs`.
 */
export class RequestsDuringUpdate {
  readonly #options: RequestsDuringUpdateOptions
  readonly #held = new Map<string, Promise<void>>()
  /** The gateways whose wait has ended and whose backlog is not gone yet, each with a function that cancels its timer. */
  readonly #catchingUp = new Map<string, () => void>()
  #waiting = 0
  #bytes = 0
  #sent = 0

  constructor(options: RequestsDuringUpdateOptions) {
    this.#options = options
  }

  /** The number of requests that wait now. */
  get waiting(): number {
    return this.#waiting
  }

  /** The number of requests with such a place that were sent and have no outcome yet. */
  get sent(): number {
    return this.#sent
  }

  /** Makes new requests to these gateways wait until the returned function is called. */
  hold(gateways: readonly string[]): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    for (const gateway of gateways) {
      this.#forget(gateway)
      this.#held.set(gateway, promise)
    }
    return () => {
      for (const gateway of gateways) {
        if (this.#held.get(gateway) !== promise) continue
        this.#held.delete(gateway)
        if (this.#waiting > 0)
          this.#catchingUp.set(
            gateway,
            this.#options.clock.after(catchUpMs, () => this.#forget(gateway)),
          )
      }
      resolve()
    }
  }

  /** True while new requests to this gateway must wait. */
  isHeld(gateway: string): boolean {
    return this.#held.has(gateway)
  }

  /** True while new requests to this gateway get such a place: during the wait, and until its backlog is gone. */
  hasPlaces(gateway: string): boolean {
    return this.#held.has(gateway) || this.#catchingUp.has(gateway)
  }

  /** The reason why a request that would get such a place is refused; null if it is not. */
  get refusal(): string | null {
    const { maxRequests, maxBytes } = this.#options
    const all = this.#waiting + this.#sent
    if (all >= maxRequests) return `${all} requests wait because their swarm changes to another version`
    return this.#bytes < maxBytes ? null : `${this.#bytes} bytes of requests wait because their swarm changes to another version`
  }

  /**
   * Settles when requests to the gateway no longer have to wait. Throws WAGGLE_DEADLINE if the deadline of the request passes first, and
   * WAGGLE_OVERLOADED if too many requests wait.
   */
  async released({ gateway, deadline, body }: NewRequest): Promise<void> {
    if (!this.#held.has(gateway)) return
    const refusal = this.refusal
    if (refusal !== null) throw new WaggleError('WAGGLE_OVERLOADED', { message: refusal, next: 'Send the request again in a moment.' })
    const { clock } = this.#options
    const { promise: late, reject } = Promise.withResolvers<never>()
    const cancel = deadline === null ? () => {} : clock.after(Math.max(0, deadline - clock.now()), () => reject(heldTooLong()))
    this.#waiting++
    this.#bytes += body.length
    try {
      for (let held = this.#held.get(gateway); held !== undefined; held = this.#held.get(gateway)) await Promise.race([held, late])
    } finally {
      cancel()
      this.#waiting--
      this.#bytes -= body.length
    }
  }

  /** Sends a request when it no longer has to wait. It keeps its place until `send` settles. */
  async send<T>(request: NewRequest, send: () => Promise<T>): Promise<T> {
    await this.released(request)
    this.#sent++
    try {
      return await send()
    } finally {
      this.#sent--
      if (this.#sent + this.#waiting === 0) for (const gateway of [...this.#catchingUp.keys()]) this.#forget(gateway)
    }
  }

  #forget(gateway: string): void {
    this.#catchingUp.get(gateway)?.()
    this.#catchingUp.delete(gateway)
  }
}

/** The number of places for requests during an update, for each place of a request in flight. */
export const duringUpdatePerPlace = 20

/** The most bytes of bodies that wait. */
export const maxBytesDuringUpdate = 256 * 1024 * 1024

function heldTooLong(): WaggleError {
  return deadlinePassed('The deadline passed while the request waited for another version of its swarm, so this call has not sent it')
}

/** The longest time, in ms, for which arriving requests get such a place after the wait. The default deadline of a request is 30 s. */
const catchUpMs = 30_000
