import { WaggleError } from '../../topology/waggle-error.ts'

/** Turns of changes within this server: each swarm has one change at a time. `ChangeLocks` does the same between servers. */
export class ChangeTurns {
  readonly #running = new Map<string, Promise<unknown>>()

  /** Runs a change at once. Throws WAGGLE_SWARM_BUSY if another change of this swarm is in progress. */
  async runNow<T>(swarm: string, change: () => Promise<T>): Promise<T> {
    if (this.#running.has(swarm))
      throw new WaggleError('WAGGLE_SWARM_BUSY', {
        message: `${swarm} is being changed`,
        next: 'See `waggle swarms get`, and send the change again.',
      })
    return this.#run(swarm, change)
  }

  /** Runs a change after all earlier changes have ended. */
  async runNext(swarm: string, change: () => Promise<void>): Promise<void> {
    for (let before = this.#running.get(swarm); before !== undefined; before = this.#running.get(swarm)) await before.catch(() => {})
    await this.#run(swarm, change)
  }

  async #run<T>(swarm: string, change: () => Promise<T>): Promise<T> {
    const running = change()
    this.#running.set(swarm, running)
    try {
      return await running
    } finally {
      this.#running.delete(swarm)
    }
  }
}
