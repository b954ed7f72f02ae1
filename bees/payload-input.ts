import type { Payload, Tensor } from '../topology/swarm/payload.ts'
import { contentTypeOf, joinedType } from '../topology/swarm/payload-serde.ts'
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
    if ('tensors' in output && areTensors(output.tensors)) return { kind: 'tensors', tensors: output.tensors }
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

/** The payload that `inputOf` made this from. */
export function payloadOfInput(input: unknown, contentType: string): Payload {
  if (input instanceof Uint8Array) return { kind: 'bytes', bytes: input, contentType }
  if (input instanceof ErrorInput) return { kind: 'error', error: input.error }
  if (contentType === joinedType && input !== null && typeof input === 'object') {
    const parts = Object.entries(input).map(([bee, part]) => [bee, payloadOfInput(part, 'application/octet-stream')] as const)
    return { kind: 'joined', parts: new Map(parts) }
  }
  if (input !== null && typeof input === 'object' && 'tensors' in input && areTensors(input.tensors))
    return { kind: 'tensors', tensors: input.tensors }
  return { kind: 'json', json: input }
}

/** What `payloadOf` makes this payload of. */
export function outputOf(payload: Payload): unknown {
  return payload.kind === 'bytes' ? { contentType: payload.contentType, bytes: payload.bytes } : inputOf(payload)
}

/** No JSON value looks like this: `data` is an array in memory. */
function areTensors(value: unknown): value is { readonly [name: string]: Tensor } {
  if (value === null || typeof value !== 'object') return false
  return Object.values(value).every(
    (tensor) => tensor !== null && typeof tensor === 'object' && ArrayBuffer.isView(tensor.data) && Array.isArray(tensor.shape),
  )
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
