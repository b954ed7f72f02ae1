import type { Clock } from '../../../processor/ports.ts'
import { BrokerError } from './broker-error.ts'

export interface SeatOptions {
  readonly clock: Clock
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

/**
 * Until when nobody can have been given a member's place: its coordinator, which counts a session from what it hears, has answered
 * something that was sent less than a session ago. While it has not joined a round that was begun, that ends with the round.
 */
export class Seat {
  readonly #options: SeatOptions
  #untilMs = 0
  #joinByMs = Number.POSITIVE_INFINITY
  /** When that was asked which was answered last without a word of a round: none had begun before. */
  #quietMs = 0
  /** What was asked before it was lost says nothing of the next one. */
  #losses = 0

  constructor(options: SeatOptions) {
    this.#options = options
  }

  /** False does not say that it is lost. */
  get isHeld(): boolean {
    return this.#options.clock.elapsedMs() < Math.min(this.#untilMs, this.#joinByMs)
  }

  lose(): void {
    this.#losses++
    this.#untilMs = 0
    this.#joinByMs = Number.POSITIVE_INFINITY
  }

  /** What it asks is answered: by what does not throw it out, or asks it to join. */
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
