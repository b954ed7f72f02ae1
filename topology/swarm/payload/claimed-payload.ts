import type { Claim, Payload } from './payload.ts'

/** The number of bytes of a payload that are in a claim store; 0 for a payload without claims. */
export function claimedBytes(payload: Payload): number {
  if (payload.kind === 'claim') return payload.claim.bytes
  if (payload.kind !== 'joined') return 0
  let bytes = 0
  for (const part of payload.parts.values()) bytes += claimedBytes(part)
  return bytes
}

/** Returns the payload with the fetched payload in place of each claim. The parts of a join are fetched one after the other. */
export async function withoutClaims(payload: Payload, fetch: (claim: Claim) => Promise<Payload>): Promise<Payload> {
  if (payload.kind === 'claim') return fetch(payload.claim)
  if (payload.kind !== 'joined' || claimedBytes(payload) === 0) return payload
  const parts = new Map<string, Payload>()
  for (const [bee, part] of payload.parts) parts.set(bee, await withoutClaims(part, fetch))
  return { kind: 'joined', parts }
}
