import { noClaimStore } from '../../topology/swarm/payload/claim-errors.ts'
import { jsonCopy, maxOutputBytes } from '../../topology/swarm/payload/json-value.ts'
import type { JoinedPayload, Payload, Tensor } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, joinedType, payloadOfBytes } from '../../topology/swarm/payload/payload-serde.ts'
import { checkTensor } from '../../topology/swarm/payload/tensor-codec.ts'
import { isNotTaken } from '../../topology/swarm/request/branches.ts'
import { saidBy, WaggleError } from '../../topology/waggle-error.ts'
import { ErrorInput } from '../define-bee.ts'

/** Converts a payload to the input of a bee's function (see `TensorsInput` and `Bee`). */
export function inputOf(payload: Payload): unknown {
  switch (payload.kind) {
    case 'json':
      return payload.json
    case 'bytes':
      return payload.bytes
    case 'tensors':
      return payload
    case 'joined':
      return Object.fromEntries(takenParts(payload).map(([bee, part]) => [bee, inputOf(part)]))
    case 'claim':
      throw noClaimStore(payload.claim)
    case 'error':
      return new ErrorInput(payload.error)
  }
}

/** The parts of a join without the branches that the request did not take. */
function takenParts({ parts }: JoinedPayload): readonly (readonly [bee: string, part: Payload])[] {
  return [...parts].filter(([, part]) => !isNotTaken(part))
}

/** Converts a payload to an input that the bee may change: a copy. */
export function ownInputOf(payload: Payload): unknown {
  switch (payload.kind) {
    case 'json':
      return jsonCopy(payload.json)
    case 'bytes':
      return copyOf(payload.bytes)
    case 'tensors':
      return { kind: 'tensors', tensors: copied(payload.tensors) }
    case 'joined':
      return Object.fromEntries(takenParts(payload).map(([bee, part]) => [bee, ownInputOf(part)]))
    case 'claim':
      throw noClaimStore(payload.claim)
    case 'error':
      return new ErrorInput({ ...payload.error })
  }
}

/**
 * Converts the output of a bee's function to a payload: bytes, `{ contentType, bytes }`, `{ tensors }`, or any value that JSON can represent. The
 * payload is a checked copy: it can be written to the log, reading it back gives the same value, and the bee cannot change it later. Throws
 * WAGGLE_BEE_OUTPUT for any other output.
 */
export function payloadOf(output: unknown, bee: string): Payload {
  try {
    if (output instanceof Uint8Array) return { kind: 'bytes', bytes: copyOf(bounded(output)), contentType: 'application/octet-stream' }
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
      message: `${bee} gave a result that cannot be passed on: ${saidBy(thrown)}`,
      next: 'Return a JSON value, bytes, { contentType, bytes } or { tensors }.',
      cause: thrown,
    })
  }
}

/**
 * The payload of a bee's bytes. Bytes of a media type that Waggle reads itself, such as JSON, are parsed, so that the next bee gets the same input
 * from memory as from the log. Throws for bytes that do not match their type.
 */
function bytesOutput(bytes: Uint8Array, contentType: string): Payload {
  const payload = payloadOfBytes(copyOf(bounded(bytes)), contentType)
  if (payload.kind === 'joined' || payload.kind === 'claim') throw new TypeError(`${contentTypeOf(payload)} is what only Waggle writes`)
  return payload
}

function copied(tensors: { readonly [name: string]: Tensor }): { readonly [name: string]: Tensor } {
  let left = maxOutputBytes
  const entries = Object.entries(tensors).map(([name, { datatype, shape, data }]) => {
    const size = data.byteLength
    left -= size
    if (left < 0) throw new RangeError(`its tensors have more than ${maxOutputBytes} bytes`)
    const tensor: Tensor = { datatype, shape: Array.from(shape), data: copyOf(data) }
    checkTensor(name, tensor)
    return [name, tensor] as const
  })
  if (entries.length > maxTensors) throw new RangeError(`it has more than ${maxTensors} tensors`)
  return Object.fromEntries(entries)
}

/** A copy with its own memory. `Buffer.slice` would share the memory. */
function copyOf<A extends Tensor['data']>(array: A): A {
  return (Buffer.isBuffer(array) ? Uint8Array.prototype.slice.call(array) : array.slice()) as A
}

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength > maxOutputBytes) throw new RangeError(`it has more than ${maxOutputBytes} bytes`)
  return bytes
}

const maxTensors = 10_000

/** The payload from which `inputOf` made this input. */
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

/** The output from which `payloadOf` makes this payload. */
export function outputOf(payload: Payload): unknown {
  return payload.kind === 'bytes' ? { contentType: payload.contentType, bytes: payload.bytes } : inputOf(payload)
}

/**
 * True for tensors and false for JSON. A tensor's `data` is a typed array, which JSON never contains. An object without any tensors is the JSON value
 * {}.
 */
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
