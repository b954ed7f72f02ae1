import type { JoinEntry } from '../../operators/join-by-key.ts'
import { type Header, textHeader } from '../../record.ts'
import type { Serde } from '../../serde.ts'
import { contentTypeHeader, errorHeader } from '../request/headers.ts'
import type { RequestEntry } from '../request/requests.ts'
import type { Payload } from './payload.ts'
import { contentTypeOf, payloadSerde } from './payload-serde.ts'

/** A serde for store values that contain payloads: `length of head u32 LE │ head JSON │ payload`. */
function withPayload<T>(split: (value: T) => { head: object; payload: Payload | null }, join: (head: never, payload: Payload | null) => T): Serde<T> {
  return {
    serialize(topic, value) {
      const { head, payload } = split(value)
      const body = payload === null ? new Uint8Array(0) : payloadSerde.serialize(topic, payload)
      const type = payload === null ? null : { content_type: contentTypeOf(payload), error: payload.kind === 'error' }
      const json = Buffer.from(JSON.stringify({ ...head, type }))
      const bytes = Buffer.allocUnsafe(4 + json.length + body.length)
      bytes.writeUInt32LE(json.length)
      bytes.set(json, 4)
      bytes.set(body, 4 + json.length)
      return bytes
    },
    deserialize(topic, data) {
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
      const length = bytes.readUInt32LE()
      const { type, ...head } = JSON.parse(bytes.toString('utf8', 4, 4 + length)) as { type: { content_type: string; error: boolean } | null }
      if (type === null) return join(head as never, null)
      const headers = [textHeader(contentTypeHeader, type.content_type), ...(type.error ? [textHeader(errorHeader, '1')] : [])]
      return join(head as never, payloadSerde.deserialize(topic, bytes.subarray(4 + length), headers))
    },
  }
}

export const requestEntrySerde: Serde<RequestEntry> = withPayload<RequestEntry>(
  ({ answer, ...head }) => ({ head, payload: answer }),
  // Entries that an earlier version wrote have no list of replies.
  (head: Omit<RequestEntry, 'answer'>, answer) => ({ ...head, replies: head.replies ?? [], answer }),
)

/**
 * A result that a cache keeps. `bytes`: the size of the result. `due`: the time at which the result expires, in epoch ms. The entry with the sums
 * over all results has no payload.
 */
export interface CacheEntry {
  readonly payload: Payload | null
  readonly bytes: number
  readonly due: number
  readonly count: number
}

export const cacheEntrySerde: Serde<CacheEntry> = withPayload<CacheEntry>(
  ({ payload, ...head }) => ({ head, payload }),
  (head: Omit<CacheEntry, 'payload'>, payload) => ({ ...head, payload }),
)

type JoinHead = Omit<JoinEntry<Payload>, 'parts' | 'headers'> & { readonly headers: readonly (readonly [string, string | null])[] }

export const joinEntrySerde: Serde<JoinEntry<Payload>> = withPayload<JoinEntry<Payload>>(
  ({ parts, headers, ...head }) => ({
    head: { ...head, headers: headers.map(({ key, value }) => [key, value === null ? null : Buffer.from(value).toString('base64')]) },
    payload: { kind: 'joined', parts },
  }),
  ({ headers, ...head }: JoinHead, payload) => ({
    ...head,
    headers: headers.map(([key, value]): Header => ({ key, value: value === null ? null : Buffer.from(value, 'base64') })),
    parts: payload?.kind === 'joined' ? payload.parts : new Map(),
  }),
)
