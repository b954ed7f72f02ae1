import type { Bee } from '../define-bee.ts'

/** The state of a bee in this process, apart from the state of its swarm. */
export type BeeState = 'starting' | 'running' | 'restarting' | 'failed'

/** The states of the bees of one swarm in this process. Each task of the process opens a bee once. */
export class BeeStates {
  readonly #starting = new Map<string, number>()
  readonly #failed = new Set<string>()
  readonly #open = new Map<string, Set<Bee<unknown, unknown>>>()

  /** Opens a bee, which counts as starting until it is open, and as failed after an error. */
  async opened<T extends Bee<unknown, unknown>>(bee: string, open: () => Promise<T>): Promise<T> {
    this.#starting.set(bee, (this.#starting.get(bee) ?? 0) + 1)
    try {
      const made = await open()
      this.#failed.delete(bee)
      const there = this.#open.get(bee) ?? new Set()
      this.#open.set(bee, there.add(made))
      return made
    } catch (thrown) {
      this.#failed.add(bee)
      throw thrown
    } finally {
      this.#starting.set(bee, (this.#starting.get(bee) ?? 1) - 1)
    }
  }

  closed(bee: string, made: Bee<unknown, unknown>): void {
    this.#open.get(bee)?.delete(made)
  }

  /** A bee that no task of this process has opened is `running`, because its swarm runs. */
  of(bee: string): BeeState {
    if ((this.#starting.get(bee) ?? 0) > 0) return 'starting'
    if (this.#failed.has(bee)) return 'failed'
    const isWaiting = [...(this.#open.get(bee) ?? [])].some((made) => made.isReady === false)
    return isWaiting ? 'restarting' : 'running'
  }
}
