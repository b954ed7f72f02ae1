import { WaggleError } from '../../waggle-error.ts'
import type { Claim } from './payload.ts'

/** The media type of a claim check in a record. The value is JSON of at most 1,000 bytes. */
export const claimType = 'application/vnd.waggle.claim+json'

/** The largest payload, in bytes: the most that WAGGLE_MAX_BODY_BYTES may be. The text of the longest JSON output of a bee is shorter. */
export const mostPayloadBytes = 1024 * 1024 * 1024

/** The value of a record whose payload is in a claim store. */
export function encodeClaim({ store, key, sha256, bytes, contentType, expiresAt }: Claim): Uint8Array {
  return Buffer.from(JSON.stringify({ store, key, sha256, bytes, content_type: contentType, expires_at: expiresAt }))
}

/** Reads a claim check. Throws WAGGLE_BAD_PAYLOAD for bytes that `encodeClaim` would not write. */
export function decodeClaim(data: Uint8Array): Claim {
  if (data.length > maxBytes) throw malformed(`it has ${data.length} bytes`)
  const fields = fieldsOf(data)
  const { store, key, sha256, bytes, content_type: contentType, expires_at: expiresAt } = fields
  if (typeof store !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(store)) throw malformed('it names no store')
  if (typeof key !== 'string' || !isClaimKey(key)) throw malformed('it names no object')
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) throw malformed('it has no hash')
  if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) throw malformed('it has no length')
  if (bytes > mostPayloadBytes) throw malformed(`it says that its payload has ${bytes} bytes, and none has more than ${mostPayloadBytes}`)
  if (typeof contentType !== 'string' || !/^[\t\x20-\x7e]{1,255}$/.test(contentType)) throw malformed('it has no content type')
  if (typeof expiresAt !== 'number' || !Number.isSafeInteger(expiresAt) || expiresAt < 0) throw malformed('it has no expiry')
  return { store, key, sha256, bytes, contentType, expiresAt }
}

/**
 * The name of an object: its expiry and the time of its put, each in epoch ms of 13 digits, and 16 random bytes. Names sort by expiry, so a sweep lists
 * only what has expired. Nobody can guess a name, so only a reader of its record can name the object.
 */
export function claimKey({ expiresAt, putAt, random }: { readonly expiresAt: number; readonly putAt: number; readonly random: Uint8Array }): string {
  return `${digits(expiresAt)}-${digits(putAt)}-${Buffer.from(random).toString('hex')}`
}

/** The two times in the name of an object; null for a name that `claimKey` does not make. */
export function timesInKey(key: string): { readonly expiresAt: number; readonly putAt: number } | null {
  return isClaimKey(key) ? { expiresAt: Number(key.slice(0, 13)), putAt: Number(key.slice(14, 27)) } : null
}

function isClaimKey(key: string): boolean {
  return /^\d{13}-\d{13}-[0-9a-f]{32}$/.test(key)
}

function digits(ms: number): string {
  return String(Math.min(Math.max(0, Math.floor(ms)), maxMs)).padStart(13, '0')
}

function fieldsOf(data: Uint8Array): { readonly [name: string]: unknown } {
  try {
    const json: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
    if (typeof json === 'object' && json !== null) return json as { readonly [name: string]: unknown }
  } catch {
    // The error is thrown below.
  }
  throw malformed('it is not JSON')
}

function malformed(why: string): WaggleError {
  return new WaggleError('WAGGLE_BAD_PAYLOAD', { message: `The claim check is malformed: ${why}`, next: 'Send the payload itself.' })
}

const maxBytes = 1_000
const maxMs = 9_999_999_999_999
