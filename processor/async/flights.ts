import { WaggleError } from '../../topology/waggle-error.ts'
import type { FlightRecorder } from '../ports.ts'

/**
 * The calls in flight, any of which could kill this process. After a death, each record that was in flight is tried alone, with no other call in the
 * process. So the next death shows which record caused it. A record that was alone at three deaths is given up.
 */
export class Flights {
  readonly #recorder: FlightRecorder
  readonly #waiting = new Set<() => void>()
  #flying = 0
  #loneFlying = false
  #loneWaits: (() => void) | null = null

  constructor(recorder: FlightRecorder) {
    this.#recorder = recorder
  }

  isSuspect(record: string): boolean {
    return this.#recorder.suspects.has(record)
  }

  /** The error that replaces a fourth attempt of this record; null for any other record. */
  verdict(record: string): WaggleError | null {
    if ((this.#recorder.suspects.get(record) ?? 0) < maxDeaths) return null
    return new WaggleError('WAGGLE_KILLS_PROCESS', {
      message: `The process died ${maxDeaths} times while it worked on nothing but this input`,
      next: 'Run the bee as a container, where its death is its own, and look at what it does with the dead letter.',
    })
  }

  /** True if a call may start now. Otherwise `again` is called once when that may have changed. */
  mayDepart(lone: boolean, again: () => void): boolean {
    const othersFirst = this.#loneFlying || (this.#loneWaits !== null && this.#loneWaits !== again)
    if (!othersFirst && !(lone && this.#flying > 0)) return true
    if (lone) this.#loneWaits ??= again
    this.#waiting.add(again)
    return false
  }

  /** Notes that a call starts. The returned function must be called once, when the call has ended in any way. */
  depart(records: readonly string[], lone: boolean): () => void {
    const ended = this.#recorder.begin(records)
    this.#flying++
    this.#loneFlying = lone
    if (lone) this.#loneWaits = null
    return () => {
      ended()
      this.#flying--
      if (lone) this.#loneFlying = false
      if (this.#flying === 0 && this.#waiting.size > 0) this.#wake()
    }
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    const first = this.#loneWaits
    this.#waiting.clear()
    this.#loneWaits = null
    first?.()
    for (const again of waiting) if (again !== first) again()
  }
}

const maxDeaths = 3
