import { WaggleError } from '../../topology/waggle-error.ts'

/** Lets one change of a swarm run at a time. */
export class SwarmTurns {
  readonly #turns = new Map<string, Promise<unknown>>()

  /** Runs a change at once. Throws WAGGLE_SWARM_BUSY if another one of this swarm is under way. */
  async take<T>(swarm: string, change: () => Promise<T>): Promise<T> {
    if (this.#turns.has(swarm))
      throw new WaggleError('WAGGLE_SWARM_BUSY', {
        message: `${swarm} is being changed`,
        next: 'See `waggle swarms get`, and send the change again.',
      })
    return this.#run(swarm, change)
  }

  /** Runs a change when those before it have ended. */
  async wait(swarm: string, change: () => Promise<void>): Promise<void> {
    for (let turn = this.#turns.get(swarm); turn !== undefined; turn = this.#turns.get(swarm)) await turn.catch(() => {})
    await this.#run(swarm, change)
  }

  async #run<T>(swarm: string, change: () => Promise<T>): Promise<T> {
    const turn = change()
    this.#turns.set(swarm, turn)
    try {
      return await turn
    } finally {
      this.#turns.delete(swarm)
    }
  }
}
