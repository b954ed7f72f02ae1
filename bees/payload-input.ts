import { jsonCopy, maxOutputBytes } from '../topology/swarm/json-value.ts'
import type { Payload, Tensor } from '../topology/swarm/payload.ts'
import { joinedType, payloadOfBytes } from '../topology/swarm/payload-serde.ts'
import { checkTensor } from '../topology/swarm/tensor-codec.ts'
import { saidBy, WaggleError } from '../topology/waggle-error.ts'
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

/** As `inputOf`, of which a bee may change whatever it likes: nobody else has it. */
export function ownInputOf(payload: Payload): unknown {
  switch (payload.kind) {
    case 'json':
      return jsonCopy(payload.json)
    case 'bytes':
      return payload.bytes.slice()
    case 'tensors':
      return { kind: 'tensors', tensors: copied(payload.tensors) }
    case 'joined':
      return Object.fromEntries([...payload.parts].map(([bee, part]) => [bee, ownInputOf(part)]))
    case 'error':
      return new ErrorInput({ ...payload.error })
  }
}

/**
 * What a bee's function gave, as a payload: bytes, `{ contentType, bytes }`, `{ tensors }`, or anything that JSON can hold. The payload is a copy, checked once, here:
 * it can be written, the bee cannot change it later, and read again it is the same. Throws WAGGLE_BEE_OUTPUT for anything else.
 */
export function payloadOf(output: unknown, bee: string): Payload {
  try {
    if (output instanceof Uint8Array) return { kind: 'bytes', bytes: bounded(output).slice(), contentType: 'application/octet-stream' }
    if (output !== null && typeof output === 'object') {
      if ('tensors' in output) {
        const { tensors } = output
        if (areTensors(tensors)) return { kind: 'tensors', tensors: copied(tensors) }
      }
      if ('bytes' in output && 'contentType' in output) {
        const { bytes, contentType } = output
        if (bytes instanceof Uint8Array && typeof contentType === 'string') return bytesOutput(bytes, contentType)
      }
    }
    return { kind: 'json', json: jsonCopy(output) }
  } catch (thrown) {
    throw new WaggleError('WAGGLE_BEE_OUTPUT', {
      message: `${bee} gave what cannot be passed on: ${saidBy(thrown)}`,
      next: 'Return a JSON value, bytes, { contentType, bytes } or { tensors }.',
      cause: thrown,
    })
  }
}

/** Bytes of a type that Waggle reads itself are what they say, or an error of the bee: the next bee has the same of them in memory and after a restart. */
function bytesOutput(bytes: Uint8Array, contentType: string): Payload {
  const payload = payloadOfBytes(bounded(bytes).slice(), contentType)
  if (payload.kind === 'joined') throw new TypeError(`${joinedType} is what only a join gives`)
  return payload
}

function copied(tensors: { readonly [name: string]: Tensor }): { readonly [name: string]: Tensor } {
  let left = maxOutputBytes
  const entries = Object.entries(tensors).map(([name, { datatype, shape, data }]) => {
    const size = data.byteLength
    left -= size
    if (left < 0) throw new RangeError(`its tensors have more than ${maxOutputBytes} bytes`)
    const tensor: Tensor = { datatype, shape: Array.from(shape), data: data.slice() }
    checkTensor(name, tensor)
    return [name, tensor] as const
  })
  if (entries.length > maxTensors) throw new RangeError(`it has more than ${maxTensors} tensors`)
  return Object.fromEntries(entries)
}

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > maxOutputBytes) throw new RangeError(`it has more than ${maxOutputBytes} bytes`)
  return bytes
}

/** In one payload. */
const maxTensors = 10_000

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

/** No JSON value looks like this: `data` is an array in memory. No tensors at all are the JSON value {}. */
function areTensors(value: unknown): value is { readonly [name: string]: Tensor } {
  if (value === null || typeof value !== 'object') return false
  const tensors: readonly unknown[] = Object.values(value)
  return tensors.length > 0 && tensors.every(isTensor)
}

function isTensor(tensor: unknown): tensor is Tensor {
  return (
    tensor !== null &&
    typeof tensor === 'object' &&
    'data' in tensor &&
    'shape' in tensor &&
    ArrayBuffer.isView(tensor.data) &&
    !(tensor.data instanceof DataView) &&
    Array.isArray(tensor.shape)
  )
}
