import type { Clock } from '../../processor/ports.ts'
import { claimPhases, type SwarmClaim } from './definition.ts'
import { otherWasFaster } from './swarm-errors.ts'

/** A change of a swarm that this process makes, and nobody else meanwhile. */
export interface OwnClaim {
  /** The change as all servers see it; null when another server has ended it. */
  readonly now: SwarmClaim | null
  /** The place in the topic at which the change began. */
  readonly offset: number
  /** The revision of the pointer when the change began, or that of the last pointer that the change wrote. */
  revision: number
  /** Tells all servers how far the change is. Throws WAGGLE_SWARM_BUSY if another server has ended it. */
  advance(phase: 'open' | 'hold' | 'stop', version: number | null): Promise<void>
  end(): Promise<void>
}

export interface SwarmClaimsOptions {
  readonly clock: Clock
  /** Writes a claim, and settles when it is read back. */
  readonly write: (claim: SwarmClaim) => Promise<void>
  readonly end: (swarm: string, id: string) => Promise<void>
  /** The revision of the pointer of a swarm; 0 without one. */
  readonly revisionOf: (swarm: string) => number
  /** Makes a pointer that the server of a change may still write count nowhere, and takes the version that it brings back. */
  readonly revoke: (claim: SwarmClaim) => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/**
 * Changes of swarms that are under way. The first claim of a swarm in the topic counts until it ends. A server says again each second that it is at
 * work. Where nothing is heard of it for some seconds, the others end its change.
 */
export class SwarmClaims {
  readonly #options: SwarmClaimsOptions
  readonly #claims = new Map<string, { claim: SwarmClaim; readAtMs: number }>()
  /** Changes of this process, with their begin from the moment at which they count. */
  readonly #own = new Map<string, OwnBegin>()
  /** Changes that a record is being written about, so that a slow log gets one of them at a time. */
  readonly #writing = new Set<string>()
  #cancel = () => {}

  constructor(options: SwarmClaimsOptions) {
    this.#options = options
  }

  /** Begins to watch. Until then claims are only read. */
  open(): void {
    this.#cancel = this.#options.clock.after(watchMs, () => {
      this.#watch()
      this.open()
    })
  }

  close(): void {
    this.#cancel()
  }

  /** Ends all changes that were under way before this process began, on a log that no other process has. */
  async endAll(): Promise<void> {
    for (const { claim } of [...this.#claims.values()]) await this.#options.end(claim.swarm, claim.id)
  }

  ofOthers(swarm: string): SwarmClaim | null {
    const claim = this.#claims.get(swarm)?.claim ?? null
    return claim === null || this.#own.has(claim.id) ? null : claim
  }

  read(swarm: string, id: string, claim: SwarmClaim | null, offset: number): void {
    const current = this.#claims.get(swarm)
    const own = this.#own.get(id)
    if (claim === null) {
      if (current?.claim.id !== id) return
      this.#claims.delete(swarm)
      // A sign of life that was on its way cannot bring the change back.
      if (own !== undefined) own.isEnded = true
      return
    }
    if (current !== undefined && current.claim.id !== id) return
    if (own !== undefined) own.begun ??= { offset, revision: this.#options.revisionOf(swarm) }
    // A sign of life may have been on its way while the change went on, so a change never goes back.
    const isLater = current === undefined || claimPhases.indexOf(claim.phase) >= claimPhases.indexOf(current.claim.phase)
    this.#claims.set(swarm, { claim: isLater ? claim : current.claim, readAtMs: this.#options.clock.elapsedMs() })
  }

  async take(swarm: string, id: string): Promise<OwnClaim> {
    if (this.#claims.has(swarm)) throw otherWasFaster(swarm)
    const { write, end } = this.#options
    const own: OwnBegin = { begun: null, isEnded: false }
    const holds = () => !own.isEnded && this.#claims.get(swarm)?.claim.id === id
    this.#own.set(id, own)
    const stop = async () => {
      this.#own.delete(id)
      await end(swarm, id)
    }
    try {
      await write({ swarm, id, phase: 'open', version: null, reason: '' })
      if (!holds() || own.begun === null) throw otherWasFaster(swarm)
    } catch (error) {
      await stop().catch(this.#options.onFailure)
      throw error
    }
    const claims = this.#claims
    return {
      ...own.begun,
      get now() {
        return holds() ? (claims.get(swarm)?.claim ?? null) : null
      },
      async advance(phase, version) {
        if (!holds()) throw otherWasFaster(swarm)
        await write({ swarm, id, phase, version, reason: '' })
        if (!holds()) throw otherWasFaster(swarm)
      },
      end: stop,
    }
  }

  async refuse(claim: SwarmClaim, reason: string): Promise<void> {
    await this.#options.write({ ...claim, phase: 'refused', reason })
  }

  /** Says that own changes go on, and ends changes of servers that are gone. */
  #watch(): void {
    const { clock, write, end, revoke } = this.#options
    for (const { claim, readAtMs } of this.#claims.values()) {
      const silentMs = clock.elapsedMs() - readAtMs
      if (this.#own.has(claim.id)) {
        if (silentMs >= watchMs) this.#tell(claim.id, () => write(claim))
      } else if (silentMs >= longestSilenceMs) this.#tell(claim.id, () => revoke(claim).then(() => end(claim.swarm, claim.id)))
    }
  }

  #tell(id: string, write: () => Promise<void>): void {
    if (this.#writing.has(id)) return
    this.#writing.add(id)
    write()
      .catch(this.#options.onFailure)
      .finally(() => this.#writing.delete(id))
  }
}

interface OwnBegin {
  begun: Pick<OwnClaim, 'offset' | 'revision'> | null
  isEnded: boolean
}

const watchMs = 1000
const longestSilenceMs = 8000
