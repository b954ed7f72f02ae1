import { createHash } from 'node:crypto'
import type { Transform } from '../../topology/operators/transform.ts'
import { type Record, textHeader } from '../../topology/record.ts'
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

/** A hash of the payload's content type and bytes. */
function hashOf(payload: Payload): string {
  return createHash('sha256')
    .update(`${contentTypeOf(payload)}\n`)
    .update(payloadSerde.serialize('', payload))
    .digest('hex')
}
