import type { Clock } from '../../../../processor/ports.ts'
import { BrokerError } from '../cluster/broker-error.ts'

export interface SeatOptions {
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

/**
 * A member's place in its group, timed by the member's own clock. The coordinator removes a member when one session has passed since the member's
 * last request. So the seat is certain for one session after the *sending* of a request that was answered. A member that does not join a rebalance
 * loses its seat at the rebalance timeout.
 */
export class Seat {
  readonly #options: SeatOptions
  #untilMs = 0
  #joinByMs = Number.POSITIVE_INFINITY
  /** The sending time of the last request whose response mentioned no rebalance. A rebalance that is reported later began after this time. */
  #quietMs = 0
  /** The number of losses of the seat. A response is ignored if its request was sent before the last loss. */
  #losses = 0

  constructor(options: SeatOptions) {
    this.#options = options
  }

  /** True while no other member can have the seat. */
  get isHeld(): boolean {
    return this.#options.clock.elapsedMs() < Math.min(this.#untilMs, this.#joinByMs)
  }

  lose(): void {
    this.#losses++
    this.#untilMs = 0
    this.#joinByMs = Number.POSITIVE_INFINITY
  }

  /**
   * Sends a request to the coordinator, and adjusts the seat to the response. A response extends the seat by one session. A response that reports a
   * rebalance sets the time by which the member must join. A response that reports a removal ends the seat.
   */
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
