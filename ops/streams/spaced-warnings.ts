import { systemClock } from '../../connectors/system/system-clock.ts'

/** Allows one warning of each kind a minute, so that a repeated failure does not flood a terminal. */
export class SpacedWarnings {
  readonly #lastMs = new Map<string, number>()

  isDue(kind: string): boolean {
    const nowMs = systemClock.elapsedMs()
    if (nowMs - (this.#lastMs.get(kind) ?? Number.NEGATIVE_INFINITY) < spaceMs) return false
    this.#lastMs.set(kind, nowMs)
    return true
  }
}

const spaceMs = 60_000
