import type { Clock } from '../../../processor/ports.ts'
import { BrokerError } from './broker-error.ts'

export interface SeatOptions {
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

/**
 * A member's seat in its group, by the member's own clock. The coordinator gives a seat away a session after the last request that it heard, so the seat is
 * held for a session from the sending of any request that was answered. A rebalance that the member has not joined ends that earlier, with its timeout.
 */
export class Seat {
  readonly #options: SeatOptions
  #untilMs = 0
  #joinByMs = Number.POSITIVE_INFINITY
  /** When the last request was sent whose answer told of no rebalance: each rebalance began after it. */
  #quietMs = 0
  /** An answer counts for the seat that the request was sent from: one from before a loss is ignored. */
  #losses = 0

  constructor(options: SeatOptions) {
    this.#options = options
  }

  /** Nobody else can have been given the seat. False: somebody may have. */
  get isHeld(): boolean {
    return this.#options.clock.elapsedMs() < Math.min(this.#untilMs, this.#joinByMs)
  }

  lose(): void {
    this.#losses++
    this.#untilMs = 0
    this.#joinByMs = Number.POSITIVE_INFINITY
  }

  /** Sends a request to the coordinator. The seat is held on by an answer that neither throws the member out nor comes too late in a rebalance. */
  async hears<T>(ask: () => Promise<T>, { isJoining = false }: { readonly isJoining?: boolean } = {}): Promise<T> {
    const { clock, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options
    const [losses, askedMs] = [this.#losses, clock.elapsedMs()]
    const isOfNow = () => losses === this.#losses
    const keep = () => {
      this.#untilMs = Math.max(this.#untilMs, askedMs + sessionTimeoutMs)
    }
    try {
      const answer = await ask()
      if (isOfNow()) {
        keep()
        this.#joinByMs = Number.POSITIVE_INFINITY
        this.#quietMs = askedMs
      }
      return answer
    } catch (thrown) {
      const error = thrown instanceof BrokerError && isOfNow() ? thrown.error : ''
      if (error === 'REBALANCE_IN_PROGRESS') {
        keep()
        if (!isJoining) this.#joinByMs = Math.min(this.#joinByMs, this.#quietMs + rebalanceTimeoutMs)
      } else if (error === 'UNKNOWN_MEMBER_ID' || error === 'FENCED_INSTANCE_ID') this.#untilMs = 0
      throw thrown
    }
  }
}
