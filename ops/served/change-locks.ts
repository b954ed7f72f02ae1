import type { Clock } from '../../processor/ports.ts'
import { claimPhases, type SwarmClaim } from './definition.ts'
import { otherWasFaster } from './swarm-errors.ts'

/** A change of a swarm by this process. No other process changes the swarm meanwhile. */
export interface OwnClaim {
  /** The change as all servers see it; null if another server has ended the change. */
  readonly now: SwarmClaim | null
  /** The place in the topic at which the change began. */
  readonly offset: number
  /** The revision of the pointer at the begin of the change, or the revision of the last pointer that this change has written. */
  revision: number
  /** Announces the phase of the change to all servers. Throws WAGGLE_SWARM_BUSY if another server has ended the change. */
  advance(phase: 'open' | 'hold' | 'stop', version: number | null): Promise<void>
  end(): Promise<void>
}

export interface ChangeLocksOptions {
  readonly clock: Clock
  /** Writes a claim, and settles when this process has read the claim back. */
  readonly write: (claim: SwarmClaim) => Promise<void>
  readonly end: (swarm: string, id: string) => Promise<void>
  /** The revision of a swarm's pointer; 0 if there is no pointer. */
  readonly revisionOf: (swarm: string) => number
  /** Revokes an ended change: its server may still write a pointer, which is then ignored, and the new version of the change is deleted. */
  readonly revoke: (claim: SwarmClaim) => Promise<void>
  readonly onFailure: (error: unknown) => void
}

/**
 * Locks that let one server at a time change a swarm. A server takes the lock of a swarm by a claim, a record in the topic of definitions: the first
 * claim of the swarm is valid until it ends. The server renews its claim every second. If a claim is not renewed for eight seconds, the other servers
 * end the change.
 */
export class ChangeLocks {
  readonly #options: ChangeLocksOptions
  readonly #claims = new Map<string, { claim: SwarmClaim; readAtMs: number }>()
  /** Changes of this process. Each has its begin, from the moment at which its claim is valid. */
  readonly #own = new Map<string, OwnBegin>()
  /** Changes for which a record is being written, so that a slow log gets one record of a change at a time. */
  readonly #writing = new Set<string>()
  #cancel = () => {}

  constructor(options: ChangeLocksOptions) {
    this.#options = options
  }

  /** Begins to renew and end claims. Before that, claims are only read. */
  open(): void {
    this.#cancel = this.#options.clock.after(watchMs, () => {
      this.#watch()
      this.open()
    })
  }

  close(): void {
    this.#cancel()
  }

  /** Ends all changes from before this process's start. Only for a log that no other process has open. */
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
      // A renewal that was already on its way must not bring the change back.
      if (own !== undefined) own.isEnded = true
      return
    }
    if (current !== undefined && current.claim.id !== id) return
    if (own !== undefined) own.begun ??= { offset, revision: this.#options.revisionOf(swarm) }
    // A renewal may arrive after a record of a later phase, so a change never goes back to an earlier phase.
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

  /** Renews the claims of this process, and ends changes of servers that are gone. */
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
