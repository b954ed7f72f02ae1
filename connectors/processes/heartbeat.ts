import type { Clock } from '../../processor/ports.ts'

export interface HeartbeatEvents {
  ping(number: number): void
  /** Called when the process has written nothing since a ping. */
  hangs(): void
}

/** Detects a frozen process. It pings a process that has been silent, and reports the process if the silence continues. */
export class Heartbeat {
  readonly #clock: Clock
  readonly #events: HeartbeatEvents
  #heardAt: number
  #ping = 0
  /** The time of the ping that has no answer yet; null if every ping has its answer. */
  #pingedAt: number | null = null
  #cancel = () => {}

  constructor(clock: Clock, events: HeartbeatEvents) {
    this.#clock = clock
    this.#events = events
    this.#heardAt = clock.elapsedMs()
    this.#look()
  }

  /** Called when the process has written something. */
  heard(): void {
    this.#heardAt = this.#clock.elapsedMs()
    this.#pingedAt = null
  }

  /** True if a ping with this number was sent. */
  isSent(number: number): boolean {
    return Number.isInteger(number) && number >= 1 && number <= this.#ping
  }

  stop(): void {
    this.#cancel()
  }

  #look(): void {
    const now = this.#clock.elapsedMs()
    if (this.#pingedAt !== null && now - this.#pingedAt >= frozenMs) {
      this.#events.hangs()
      return
    }
    if (this.#pingedAt === null && now - this.#heardAt >= silentMs) {
      this.#pingedAt = now
      this.#events.ping(++this.#ping)
    }
    const wait = this.#pingedAt === null ? this.#heardAt + silentMs - now : this.#pingedAt + frozenMs - now
    this.#cancel = this.#clock.after(Math.max(1, Math.min(wait, silentMs)), () => this.#look())
  }
}

const silentMs = 10_000
/** The time that a silent process has to answer a ping. */
export const frozenMs = 30_000
