import type Docker from 'dockerode'
import type { Clock } from '../../processor/ports.ts'

export interface HealthEvents {
  /** Called once, at the first check that passes. */
  passed(): void
  /** Called once, when Docker calls the container unhealthy, because several checks in a row have failed. `why` completes the sentence "it …". */
  failed(why: string): void
}

/** Watches the health check of a container's image, which Docker runs. */
export class HealthWatch {
  readonly #container: Docker.Container
  readonly #clock: Clock
  readonly #events: HealthEvents
  #hasPassed = false
  #isClosed = false
  #cancelTimer = () => {}

  constructor(container: Docker.Container, clock: Clock, events: HealthEvents) {
    this.#container = container
    this.#clock = clock
    this.#events = events
    void this.#look()
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  async #look(): Promise<void> {
    const health = await this.#container
      .inspect()
      .then(({ State }) => State.Health)
      .catch(() => undefined)
    if (this.#isClosed) return
    if (health?.Status === 'healthy' && !this.#hasPassed) {
      this.#hasPassed = true
      this.#events.passed()
    }
    if (health?.Status === 'unhealthy') {
      this.close()
      const said = health.Log?.at(-1)?.Output?.trim().slice(0, maxWords) ?? ''
      this.#events.failed(`failed its health check${said === '' ? '' : ` (${said})`}`)
      return
    }
    this.#cancelTimer = this.#clock.after(this.#hasPassed ? betweenMs : untilPassedMs, () => void this.#look())
  }
}

const untilPassedMs = 200
const betweenMs = 2000
const maxWords = 300
