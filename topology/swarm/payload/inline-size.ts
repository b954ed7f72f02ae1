import type { Payload } from './payload.ts'
import { payloadMemory } from './payload-memory.ts'
import { payloadSerde } from './payload-serde.ts'

/** True if the payload takes more bytes in a record. Only JSON whose size is near the limit, or beyond it, is written to know its size. */
export function isLargerThan(payload: Payload, bytes: number): boolean {
  switch (payload.kind) {
    case 'bytes':
      return payload.bytes.byteLength > bytes
    case 'tensors':
      return payloadMemory(payload) > bytes
    case 'json':
      return mayBeLonger(payload.json, bytes) && payloadSerde.serialize('', payload).length > bytes
    default:
      return false
  }
}

/** False if the text of a JSON value is surely no longer than this. The walk ends as soon as that is not sure. */
function mayBeLonger(json: unknown, bytes: number): boolean {
  return leftAfter(json, bytes) < 0
}

/**
 * At most the number of bytes that are left of `bytes` after a value and its comma; below 0 if they may not fit. A UTF-16 unit takes at most six
 * bytes, as in `\u0000`. The length of a value with `toJSON`, such as a date, is unknown, so such a value counts as too long.
 */
function leftAfter(value: unknown, bytes: number): number {
  if (bytes < 0) return bytes
  if (typeof value === 'string') return bytes - 6 * value.length - 3
  if (value === null || typeof value !== 'object') return bytes - longestNumber
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === 'function') return -1
  let left = bytes - 3
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length && left >= 0; at++) left = leftAfter(value[at], left)
    return left
  }
  for (const name of Object.keys(value)) {
    left = leftAfter((value as { readonly [name: string]: unknown })[name], left - 6 * name.length - 4)
    if (left < 0) return left
  }
  return left
}

/** `-1.7976931348623157e+308,` */
const longestNumber = 26
