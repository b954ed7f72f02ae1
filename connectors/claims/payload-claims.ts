import { webcrypto } from 'node:crypto'
import type { Clock, Random } from '../../processor/ports.ts'
import { claimKey } from '../../topology/swarm/payload/claim-codec.ts'
import { claimAltered, claimMissing, noClaimStore } from '../../topology/swarm/payload/claim-errors.ts'
import type { Claim, Payload } from '../../topology/swarm/payload/payload.ts'
import { isOwnType, payloadOfBytes } from '../../topology/swarm/payload/payload-serde.ts'
import type { ClaimStore, Claims } from '../../topology/swarm/ports/claims.ts'
import { Unavailable, type WaggleError } from '../../topology/waggle-error.ts'
import { pause } from '../system/pause.ts'
import { ByteRoom } from './byte-room.ts'
import { ClaimCounts } from './claim-counts.ts'

export interface PayloadClaimsOptions {
  readonly store: ClaimStore
  readonly clock: Clock
  readonly random: Random
  /** A payload of at most this many bytes travels in the log. */
  readonly maxInlineBytes: number
  /** The time for which an object stays, in ms. It is at least as long as the time for which a record may name the object. */
  readonly lifetimeMs: number
  /** The most bytes of fetched payloads in memory at once. The limit holds once for all sinks, and once more for all other readers. */
  readonly maxFetchedBytes: number
  /** The counts to add to. Default: separate counts. */
  readonly counts?: ClaimCounts
}

/** The large payloads of a process. An operation on an unreachable store is repeated until the caller's signal aborts. */
export class PayloadClaims implements Claims {
  readonly maxInlineBytes: number
  readonly maxFetchedBytes: number
  readonly counts: ClaimCounts
  readonly #options: PayloadClaimsOptions
  readonly #rooms: { readonly [reader in 'sink' | 'other']: ByteRoom }

  constructor(options: PayloadClaimsOptions) {
    this.#options = options
    this.counts = options.counts ?? new ClaimCounts()
    this.maxInlineBytes = options.maxInlineBytes
    this.maxFetchedBytes = options.maxFetchedBytes
    this.#rooms = { sink: new ByteRoom(options.maxFetchedBytes), other: new ByteRoom(options.maxFetchedBytes) }
  }

  refusal(bytes: number): WaggleError | null {
    const refusal = this.#options.store.refusal?.(bytes) ?? null
    if (refusal !== null) this.counts.refusedObjects++
    return refusal
  }

  async put(bytes: Uint8Array, contentType: string, signal: AbortSignal): Promise<Claim> {
    const { store, clock, random, lifetimeMs } = this.#options
    const putAt = clock.now()
    const expiresAt = putAt + lifetimeMs
    const key = claimKey({ expiresAt, putAt, random: random.bytes(16) })
    const sha256 = await hashOf(bytes)
    await this.#untilAnswered(() => store.put(key, bytes, signal), signal)
    this.counts.putObjects++
    this.counts.putBytes += bytes.length
    return { store: store.name, key, sha256, bytes: bytes.length, contentType, expiresAt }
  }

  async fetch(claim: Claim, signal: AbortSignal): Promise<Payload> {
    const { store, clock } = this.#options
    if (claim.store !== store.name) throw noClaimStore(claim, store.name)
    const bytes = await this.#untilAnswered(() => store.get(claim.key, claim.bytes, signal), signal)
    if (bytes === null) throw claimMissing(claim, clock.now())
    this.counts.fetchedObjects++
    this.counts.fetchedBytes += bytes.length
    if (bytes.length !== claim.bytes)
      throw claimAltered(claim, bytes.length > claim.bytes ? `it has more than ${claim.bytes} bytes` : `it has ${bytes.length} bytes`)
    if ((await hashOf(bytes)) !== claim.sha256) throw claimAltered(claim, 'its bytes have another hash')
    if (isOwnType(claim.contentType)) throw claimAltered(claim, `it is said to be ${claim.contentType}`)
    return payloadOfBytes(bytes, claim.contentType)
  }

  async remove({ key }: Claim, signal: AbortSignal): Promise<void> {
    await this.#options.store.delete(key, signal)
  }

  room(bytes: number, signal: AbortSignal, reader: 'sink' | 'other' = 'other'): Promise<() => void> {
    return this.#rooms[reader].take(bytes, signal)
  }

  /** Repeats the operation while the store is unreachable. When the signal aborts, throws the store's last error. */
  async #untilAnswered<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let waitMs = firstWaitMs; ; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      try {
        return await act()
      } catch (thrown) {
        if (!(thrown instanceof Unavailable)) throw thrown
        if (thrown.code === 'WAGGLE_CLAIM_STORE_FULL') this.counts.refusedObjects++
        else this.counts.awayErrors++
        await pause(this.#options.clock, waitMs, signal).catch(() => {
          throw thrown
        })
      }
    }
  }
}

/** Another thread computes the hash, because a payload may have many megabytes. */
async function hashOf(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>)).toString('hex')
}

const firstWaitMs = 100
const longestWaitMs = 5_000
