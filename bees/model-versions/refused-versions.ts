import type { FoundVersion } from '../../topology/swarm/ports/models.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'

/** The versions that could not replace the answering version. A refused version is tried again when its files change, or after a while. */
export class RefusedVersions {
  readonly #now: () => number
  readonly #refused = new Map<number | null, Refusal>()
  #total = 0

  constructor(now: () => number) {
    this.#now = now
  }

  /** The number of refusals since the start. */
  get total(): number {
    return this.#total
  }

  get all(): readonly (readonly [version: number | null, error: WaggleError])[] {
    return [...this.#refused].map(([version, { error }]) => [version, error] as const)
  }

  add(version: number | null, fingerprint: string, error: WaggleError): void {
    this.#total++
    const before = this.#refused.get(version)
    const tries = before?.fingerprint === fingerprint ? before.tries + 1 : 1
    // The files of a model that can be loaded but does not fit are complete, so another try needs new files. The files of a model that cannot be
    // loaded may still be incomplete, because somebody is copying them.
    const isWhole = error.code === 'WAGGLE_MODEL_SHAPE' || error.code === 'WAGGLE_NOT_FINITE'
    const waitMs = isWhole ? Number.POSITIVE_INFINITY : Math.min(longestWaitMs, shortestWaitMs * 2 ** (tries - 1))
    this.#refused.set(version, { fingerprint, error, tries, retryAt: this.#now() + waitMs })
  }

  mayTry(version: number, fingerprint: string): boolean {
    const refusal = this.#refused.get(version)
    return refusal === undefined || refusal.fingerprint !== fingerprint || this.#now() >= refusal.retryAt
  }

  forget(version: number | null): void {
    this.#refused.delete(version)
  }

  /** Forgets refused versions that are not in `found`, because their files no longer exist. */
  keep(found: readonly FoundVersion[]): void {
    for (const version of this.#refused.keys()) if (!found.some((one) => one.version === version)) this.#refused.delete(version)
  }
}

interface Refusal {
  readonly fingerprint: string
  readonly error: WaggleError
  readonly tries: number
  readonly retryAt: number
}

const shortestWaitMs = 4000
const longestWaitMs = 60_000
