import type { Payload } from '../topology/swarm/payload.ts'
import { contentTypeOf } from '../topology/swarm/payload-serde.ts'
import { WaggleError } from '../topology/waggle-error.ts'
import { ErrorInput } from './define-bee.ts'

/** What a bee's function is given for a payload: see `TensorsInput` and `Bee`. */
export function inputOf(payload: Payload): unknown {
  switch (payload.kind) {
    case 'json':
      return payload.json
    case 'bytes':
      return payload.bytes
    case 'tensors':
      return payload
    case 'joined':
      return Object.fromEntries([...payload.parts].map(([bee, part]) => [bee, inputOf(part)]))
    case 'error':
      return new ErrorInput(payload.error)
  }
}

export { contentTypeOf }

/** What a bee's function gave, as a payload: bytes, `{ contentType, bytes }`, `{ tensors }`, or anything that JSON can hold. */
export function payloadOf(output: unknown, bee: string): Payload {
  if (output instanceof Uint8Array) return { kind: 'bytes', bytes: output, contentType: 'application/octet-stream' }
  if (output !== null && typeof output === 'object') {
    if ('tensors' in output && typeof output.tensors === 'object' && output.tensors !== null) {
      return { kind: 'tensors', tensors: output.tensors as Extract<Payload, { kind: 'tensors' }>['tensors'] }
    }
    if ('bytes' in output && output.bytes instanceof Uint8Array && 'contentType' in output && typeof output.contentType === 'string') {
      return { kind: 'bytes', bytes: output.bytes, contentType: output.contentType }
    }
  }
  if (!isJson(output)) {
    throw new WaggleError('WAGGLE_BEE_OUTPUT', {
      message: `${bee} gave ${output === undefined ? 'nothing' : `a ${typeof output} that JSON cannot hold`}`,
      next: 'Return a JSON value, bytes, { contentType, bytes } or { tensors }.',
    })
  }
  return { kind: 'json', json: output }
}

function isJson(value: unknown): boolean {
  if (value === undefined || typeof value === 'function' || typeof value === 'symbol' || typeof value === 'bigint') return false
  if (value === null || typeof value !== 'object') return true
  try {
    return JSON.stringify(value) !== undefined
  } catch {
    return false
  }
}
