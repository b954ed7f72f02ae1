import type { Record } from '../../topology/record.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { payloadHeaders } from '../../topology/swarm/payload/payload-serde.ts'
import { contentTypeHeader } from '../../topology/swarm/request/headers.ts'

/**
 * The claims of payloads that were fetched for synchronous bees. A bee such as `filter` passes on the same object that it got. A topic
 * behind the bee then gets the claim again, and not the large payload.
 */
export class ClaimOrigins {
  readonly #claims = new WeakMap<Payload, Payload>()

  note(whole: Payload, claimed: Payload): void {
    this.#claims.set(whole, claimed)
  }

  /** True for a payload that is written as its claim. */
  has(payload: Payload): boolean {
    return this.#claims.has(payload)
  }

  /** The record with the claim in place of its fetched value; the same record if its value was not fetched. */
  restored(record: Record<string, Payload>): Record<string, Payload> {
    const value = this.#claimed(record.value)
    if (value === record.value) return record
    return { ...record, value, headers: [...record.headers.filter(({ key }) => key !== contentTypeHeader), ...payloadHeaders(value)] }
  }

  #claimed(payload: Payload): Payload {
    const own = this.#claims.get(payload)
    if (own !== undefined || payload.kind !== 'joined') return own ?? payload
    const parts = [...payload.parts].map(([bee, part]) => [bee, this.#claimed(part)] as const)
    return parts.every(([bee, part]) => part === payload.parts.get(bee)) ? payload : { kind: 'joined', parts: new Map(parts) }
  }
}
