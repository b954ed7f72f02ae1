import { createHash, createHmac } from 'node:crypto'
import type { Clock, Random } from '../../processor/ports.ts'
import { uuidOf } from '../../topology/uuid.ts'

/** Makes the ids of requests for HTTP gateways. */
export class RequestIdentity {
  readonly #clock: Clock
  readonly #random: Random
  readonly #secret: Uint8Array

  /** `secret` is the same in all processes of a cluster and after restarts, and unknown to callers. */
  constructor(clock: Clock, random: Random, secret: Uint8Array) {
    this.#clock = clock
    this.#random = random
    this.#secret = secret
  }

  /** A new id: UUIDv7 (RFC 9562, section 5.7), which sorts by time. */
  fresh(): string {
    const bytes = Buffer.from(this.#random.bytes(16))
    bytes.writeUIntBE(this.#clock.now(), 0, 6)
    return uuidOf(bytes, 7)
  }

  /**
   * The id for an idempotency key: a UUIDv8 (RFC 9562, section 5.8) made from an HMAC. The same key of the same caller at the same gateway always
   * gives the same id. A caller who guesses another caller's key cannot compute the id.
   */
  derived(gateway: string, caller: string, idempotencyKey: string): string {
    const mac = createHmac('sha256', this.#secret)
      .update(JSON.stringify([gateway, caller, idempotencyKey]))
      .digest()
    return uuidOf(mac, 8)
  }
}

/** A hash of body and content type. It shows whether two requests under one idempotency key have different bodies. */
export function bodyHashOf(body: Uint8Array, contentType: string): string {
  return createHash('sha256').update(contentType).update('\0').update(body).digest('base64url')
}
