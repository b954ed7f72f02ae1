import type { Payload } from './payload.ts'

/** The memory of a payload's buffers, in bytes. A JSON payload has no buffers: it takes about as much memory as its text in the log. */
export function payloadMemory(payload: Payload): number {
  switch (payload.kind) {
    case 'bytes':
      return payload.bytes.byteLength
    case 'tensors':
      return Object.values(payload.tensors).reduce((sum, { data }) => sum + data.byteLength, 0)
    case 'joined': {
      let bytes = 0
      for (const part of payload.parts.values()) bytes += payloadMemory(part)
      return bytes
    }
    case 'json':
    case 'claim':
    case 'error':
      return 0
  }
}
