import type { Clock } from '../../processor/ports.ts'

export interface SettledChangesOptions {
  readonly clock: Pick<Clock, 'after' | 'elapsedMs'>
  /** Called once for each burst of changes. */
  readonly onSettled: () => void
}

/**
 * Bursts of changes: editors save a file in several steps, and a checkout writes many files. A burst ends `settleMs` after its last change. A burst that
 * does not end counts as one each `longestMs`.
 */
export class SettledChanges {
  readonly #options: SettledChangesOptions
  #burst: { readonly latestMs: number; cancel: () => void } | null = null

  constructor(options: SettledChangesOptions) {
    this.#options = options
  }

  changed(): void {
    const { clock, onSettled } = this.#options
    const nowMs = clock.elapsedMs()
    const burst = this.#burst ?? { latestMs: nowMs + longestMs, cancel: () => {} }
    burst.cancel()
    burst.cancel = clock.after(Math.max(0, Math.min(settleMs, burst.latestMs - nowMs)), () => {
      this.#burst = null
      onSettled()
    })
    this.#burst = burst
  }

  close(): void {
    this.#burst?.cancel()
  }
}

const settleMs = 100
const longestMs = 2_000
