import { setTimeout as pause } from 'node:timers/promises'
import type { Victim } from './victim.ts'

export interface Notice {
  readonly asked: number
  readonly medianMs: number
  readonly slowestMs: number
  /** The highest resident memory of the whole process tree, in bytes. */
  readonly mostBytes: number
  /** Answers that were wrong. */
  readonly wrong: readonly string[]
}

/** Other callers of the same process. They send twenty requests a second and record the answers. */
export class Neighbours {
  readonly #victim: Victim
  #isAsking = true
  #asked = 0
  readonly #tookMs: number[] = []
  readonly #wrong: string[] = []
  #mostBytes = 0
  readonly #done: Promise<void>

  constructor(victim: Victim) {
    this.#victim = victim
    this.#done = this.#ask()
  }

  /** Stops sending. Settles when all requests are answered. */
  async leave(): Promise<Notice> {
    this.#isAsking = false
    await this.#done
    this.#tookMs.sort((a, b) => a - b)
    const at = (share: number) => this.#tookMs[Math.floor((this.#tookMs.length - 1) * share)] ?? Number.NaN
    return { asked: this.#asked, medianMs: at(0.5), slowestMs: at(1), mostBytes: this.#mostBytes, wrong: this.#wrong }
  }

  async #ask(): Promise<void> {
    const open: Promise<void>[] = []
    for (; this.#isAsking; await pause(50)) {
      open.push(this.#askOnce(this.#asked++))
      if (this.#asked % 4 === 0) this.#mostBytes = Math.max(this.#mostBytes, this.#victim.program.usage().residentBytes)
    }
    await Promise.all(open)
  }

  async #askOnce(number: number): Promise<void> {
    const startedMs = performance.now()
    try {
      const response = await this.#victim.post('neighbour', JSON.stringify({ number }))
      const said = await response.text()
      if (response.status !== 200 || (JSON.parse(said) as { number: number }).number !== number + 1)
        this.#wrong.push(`${response.status} ${said.slice(0, 200)}`)
    } catch (error) {
      this.#wrong.push(String(error))
    }
    this.#tookMs.push(performance.now() - startedMs)
  }
}
