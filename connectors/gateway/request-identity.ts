import { createHash, createHmac } from 'node:crypto'
import type { Clock, Random } from '../../processor/ports.ts'

/** The identity of a request through the whole swarm, for every kind of gateway. */
export class RequestIdentity {
  readonly #clock: Clock
  readonly #random: Random
  readonly #secret: Uint8Array

  /** `secret` is the same in every process of a cluster, over restarts, and unknown to callers. */
  constructor(clock: Clock, random: Random, secret: Uint8Array) {
    this.#clock = clock
    this.#random = random
    this.#secret = secret
  }

  /** UUIDv7 (RFC 9562, section 5.7): sorted by time. */
  fresh(): string {
    const bytes = Buffer.from(this.#random.bytes(16))
    bytes.writeUIntBE(this.#clock.now(), 0, 6)
    return uuid(bytes, 7)
  }

  /**
   * UUIDv8 (RFC 9562, section 5.8) of an HMAC: the same key of the same caller at the same gateway is the same request, and nobody who guesses a
   * key can compute the id.
   */
  derived(gateway: string, caller: string, idempotencyKey: string): string {
    return uuid(
      createHmac('sha256', this.#secret)
        .update(JSON.stringify([gateway, caller, idempotencyKey]))
        .digest()
        .subarray(0, 16),
      8,
    )
  }
}

/** What tells two bodies apart under one idempotency key. */
export function bodyHashOf(body: Uint8Array, contentType: string): string {
  return createHash('sha256').update(contentType).update('\0').update(body).digest('base64url')
}

function uuid(bytes: Buffer, version: 7 | 8): string {
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | (version << 4), 6)
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
