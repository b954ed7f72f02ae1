import { createHash } from 'node:crypto'
import type { Transform } from '../../topology/operators/transform.ts'
import { type Record, textHeader } from '../../topology/record.ts'
import { claimedBytes } from '../../topology/swarm/payload/claimed-payload.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, payloadSerde } from '../../topology/swarm/payload/payload-serde.ts'
import { noteOf, withNote } from '../../topology/swarm/request/bee-notes.ts'
import { cachedRequestHeader, cacheKeysHeader } from '../../topology/swarm/request/headers.ts'

/**
 * Gives each record a hash of its content as key, so that equal inputs are in one partition. The request id moves into a header. Another header notes
 * the hash. A record that already has a hash of this cache in its header is a result.
 */
export function cacheKeyStep(cache: string, children: readonly string[]): Transform {
  return {
    op: 'transform',
    apply: (given) => {
      const { key: id, value, timestamp, headers } = given as Record<string, Payload>
      const asked = noteOf(headers, cacheKeysHeader, cache)
      const key = asked?.replace(answeredBefore, '') ?? hashOf(value)
      const note = asked === null ? key : `${asked}${resultMark}`
      const next = { key, value, timestamp, headers: [...withNote(headers, cacheKeysHeader, cache, note), textHeader(cachedRequestHeader, id)] }
      return children.map((child) => ({ record: next, child }))
    },
  }
}

/** The suffix of a cache's header on a record that is a result. */
export const resultMark = '.result'

/** The suffix of a cache's header on a request that had its answer before the cache. */
export const answeredBefore = '.answered'

/** A hash of the payload's content type and bytes. A payload in a claim store need not be fetched for it, because its claim has the hash of its bytes. */
function hashOf(payload: Payload): string {
  const hash = createHash('sha256').update(`${contentTypeOf(payload)}\n`)
  if (payload.kind === 'claim') hash.update(`${payload.claim.contentType}\n${payload.claim.sha256}`)
  else if (payload.kind === 'joined' && claimedBytes(payload) > 0) for (const [bee, part] of payload.parts) hash.update(`${bee}\n${hashOf(part)}\n`)
  else hash.update(payloadSerde.serialize('', payload))
  return hash.digest('hex')
}
