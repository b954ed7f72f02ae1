import { noClaimStore } from '../../topology/swarm/payload/claim-errors.ts'
import type { BeeError, Datatype, Payload, Tensor } from '../../topology/swarm/payload/payload.ts'
import { contentTypeOf, jsonType } from '../../topology/swarm/payload/payload-serde.ts'
import { datatypeBytes, tensorData } from '../../topology/swarm/payload/tensor-codec.ts'
import type { ProcessCall } from '../../topology/swarm/ports/processes.ts'
import { Answered, type BeeResult } from '../../topology/swarm/request/answered.ts'
import { Refused, WaggleError } from '../../topology/waggle-error.ts'
import { headerTexts } from './header-texts.ts'
import { windowOf } from './hello.ts'
import { clipped, type Fields, parsedObject, protocolError, sentence } from './protocol-fault.ts'

/** The encoding of messages (bees/PROTOCOL.md). */
export type Form = 'json' | 'binary'

export interface Result {
  readonly kind: 'result'
  readonly id: number
  readonly outcome: BeeResult | WaggleError
}

/** A change of the window: the number of requests that the process may have without a result. */
export interface WindowChange {
  readonly kind: 'window'
  readonly window: number
}

/** A part of a result, from a process that still works on its request. */
export interface Part {
  readonly kind: 'part'
  readonly id: number
  /** The number of the part, from 0. */
  readonly number: number
  readonly part: Payload | WaggleError
}

/** The process's answer to a ping. */
export interface Pong {
  readonly kind: 'pong'
  readonly pong: number
}

export interface RequestExtras {
  readonly attempt: number
  /** True if the next message is a request of the same batch. */
  readonly more: boolean
  readonly withHeaders: boolean
  /** True if the request names the parts that are published already. */
  readonly withParts: boolean
}

/**
 * Encodes a request as a message of at most `maxMessageBytes`, in pieces. Throws WAGGLE_BEE_INPUT for a payload that is too large or that JSON cannot
 * represent.
 */
export function encodeRequest(id: number, call: ProcessCall, extras: RequestExtras, form: Form): readonly Uint8Array[] {
  try {
    return encoded(id, call, extras, form)
  } catch (thrown) {
    throw WaggleError.from('WAGGLE_BEE_INPUT', thrown, {
      message: 'The input cannot be written as a message of the bee protocol',
      next: 'Send a smaller or flatter input.',
    })
  }
}

function encoded(id: number, call: ProcessCall, { attempt, more, withHeaders, withParts }: RequestExtras, form: Form): readonly Uint8Array[] {
  const body = new Body(form)
  const headers = withHeaders ? headerTexts(call.headers?.() ?? []) : undefined
  const published = withParts ? (call.parts?.published ?? []) : []
  const head = {
    id,
    request_id: call.id,
    attempt,
    deadline: call.deadline,
    ...(more ? { more } : {}),
    ...(headers === undefined ? {} : { headers }),
    ...valueFields(call.payload, body),
    ...(published.length === 0 ? {} : { published: published.map((part) => valueFields(part, body)) }),
  }
  return inForm(head, body, form)
}

/** Encodes a message without a body, such as a ping. */
export function encodeControl(head: { readonly cancel: number } | { readonly ping: number }, form: Form): readonly Uint8Array[] {
  return inForm(head, new Body(form), form)
}

function inForm(head: object, body: Body, form: Form): readonly Uint8Array[] {
  const text = Buffer.from(form === 'json' ? `${JSON.stringify(head)}\n` : JSON.stringify(head))
  const length = text.length + body.length
  if (length > maxMessageBytes) throw new RangeError(`it has ${length} bytes, where at most ${maxMessageBytes} are allowed`)
  if (form === 'json') return [text]
  const lengths = Buffer.alloc(8)
  lengths.writeUInt32LE(text.length)
  lengths.writeUInt32LE(body.length, 4)
  return [lengths, text, ...body.pieces]
}

/**
 * Decodes a message after the hello: a result, a part of a result, a pong or a new window. `body` is empty in the form `json`. Throws
 * WAGGLE_BEE_PROTOCOL for text that is not a JSON object, for a window out of bounds, and for a message without an `id` that is neither a part, a
 * pong nor a window. An unreadable value in a result becomes the error of that request alone.
 */
export function decodeMessage(head: Buffer, body: Buffer, bee: string): Result | Part | WindowChange | Pong {
  const message = parsedObject(head, bee)
  const { id, refuse, error } = message
  if (typeof id !== 'number') return typeof message.part === 'number' ? partOf(message, message.part, body, bee) : decodeControl(message, head, bee)
  if (typeof refuse === 'string') return { kind: 'result', id, outcome: new Refused(sentence(refuse)) }
  if (typeof error === 'string')
    return { kind: 'result', id, outcome: new WaggleError('WAGGLE_BEE_FAILED', { message: sentence(error), next: `See the log of ${bee}.` }) }
  try {
    return { kind: 'result', id, outcome: resultOf(message, body, bee) }
  } catch (thrown) {
    return { kind: 'result', id, outcome: WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' }) }
  }
}

function partOf(message: Fields, id: number, body: Buffer, bee: string): Part {
  const { number } = message
  if (!isCount(number)) throw protocolError(bee, `a part of request ${id} whose number is no count`)
  try {
    return { kind: 'part', id, number, part: payloadOf(message, body, bee) }
  } catch (thrown) {
    return { kind: 'part', id, number, part: WaggleError.from('WAGGLE_BEE_PROTOCOL', thrown, { next: 'See bees/PROTOCOL.md.' }) }
  }
}

function decodeControl({ pong, window }: Fields, head: Buffer, bee: string): WindowChange | Pong {
  if (typeof pong === 'number') return { kind: 'pong', pong }
  if (window !== undefined) return { kind: 'window', window: windowOf(window, 0, bee) }
  throw protocolError(bee, `a message without the id of its request: ${clipped(head)}`)
}

/**
 * The body of a binary frame. Each item begins at a multiple of 8. In the encoding `json` the body stays empty, because the message itself has the
 * bytes.
 */
class Body {
  readonly #form: Form
  readonly pieces: Uint8Array[] = []
  length = 0

  constructor(form: Form) {
    this.#form = form
  }

  put(bytes: Uint8Array): object {
    if (this.#form === 'json') return { base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64') }
    const at = this.length
    const padding = (8 - (bytes.length % 8)) % 8
    this.pieces.push(bytes, padding === 0 ? nothing : zeros.subarray(0, padding))
    this.length += bytes.length + padding
    return { at, length: bytes.length }
  }
}

function valueFields(payload: Payload, body: Body): object {
  switch (payload.kind) {
    case 'json':
      return { content_type: jsonType, json: payload.json }
    case 'bytes':
      return { content_type: payload.contentType, ...body.put(payload.bytes) }
    case 'tensors':
      return {
        content_type: contentTypeOf(payload),
        tensors: Object.entries(payload.tensors).map(([name, { datatype, shape, data }]) => ({
          name,
          datatype,
          shape,
          ...body.put(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
        })),
      }
    case 'joined':
      return {
        content_type: contentTypeOf(payload),
        parts: Object.fromEntries([...payload.parts].map(([bee, part]) => [bee, valueFields(part, body)])),
      }
    case 'claim':
      throw noClaimStore(payload.claim)
    case 'error':
      return { error: payload.error satisfies BeeError }
  }
}

/**
 * A result without `respond` is a plain value. With `respond: true`, the value is also the answer to the caller. Any other `respond` is the answer to
 * the caller, in addition to the value.
 */
function resultOf(message: Fields, body: Buffer, bee: string): BeeResult {
  const value = payloadOf(message, body, bee)
  const { respond } = message
  if (respond === undefined || respond === false) return value
  if (respond === true) return new Answered(value, null)
  if (respond === null || typeof respond !== 'object') throw protocolError(bee, 'a result whose respond is neither true nor a value')
  return new Answered(payloadOf(respond as Fields, body, bee), value)
}

function payloadOf(message: Fields, body: Buffer, bee: string): Payload {
  const { json, tensors, content_type: contentType } = message
  if (json !== undefined) return { kind: 'json', json }
  if (Array.isArray(tensors)) return { kind: 'tensors', tensors: Object.fromEntries(tensors.map((tensor: unknown) => tensorOf(tensor, body, bee))) }
  if (typeof contentType === 'string' && (message.base64 !== undefined || message.at !== undefined)) {
    if (!mediaType.test(contentType)) throw protocolError(bee, `the content type ${clipped(Buffer.from(contentType))}`)
    return { kind: 'bytes', contentType, bytes: bytesOf(message, body, bee) }
  }
  const fields = Buffer.from(Object.keys(message).slice(0, 10).join(', '))
  throw protocolError(bee, `a result without json, tensors, bytes, refuse or error (it has ${clipped(fields)})`)
}

function tensorOf(tensor: unknown, body: Buffer, bee: string): readonly [string, Tensor] {
  const fields = tensor !== null && typeof tensor === 'object' ? (tensor as Fields) : {}
  const { name, datatype, shape } = fields
  const width = typeof datatype === 'string' ? datatypeBytes(datatype) : undefined
  const isShape = Array.isArray(shape) && shape.length <= maxRank && shape.every((size) => Number.isInteger(size) && size >= 0 && size <= maxSize)
  if (typeof name !== 'string' || name.length > maxNameCharacters || width === undefined || !isShape)
    throw protocolError(bee, 'a tensor without name, datatype or shape')
  const bytes = bytesOf(fields, body, bee)
  const wanted = (shape as readonly number[]).reduce((product, size) => product * size, width)
  if (bytes.length !== wanted)
    throw protocolError(bee, `the tensor ${name} with ${bytes.length} bytes, where [${shape}] of ${datatype} has ${wanted}`)
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : Uint8Array.from(bytes)
  return [
    name,
    { datatype: datatype as Datatype, shape, data: tensorData(datatype as Datatype, aligned.buffer, aligned.byteOffset, aligned.byteLength) },
  ]
}

function bytesOf({ base64, at, length }: Fields, body: Buffer, bee: string): Uint8Array {
  if (typeof base64 === 'string') return Uint8Array.from(Buffer.from(base64, 'base64'))
  if (isCount(at) && isCount(length) && at + length <= body.length) return body.subarray(at, at + length)
  throw protocolError(bee, 'bytes that are neither base64 nor a range of the body')
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** The size limit of a line without its end, or of a frame's head and body together. */
export const maxMessageBytes = 64 * 1024 * 1024
/** The bounds of a tensor. They are the bounds of the tensor encoding on topics. */
const maxRank = 255
const maxSize = 0xffffffff
const maxNameCharacters = 4096
/** The content type becomes a header of the answer, so it must be one line of printable ASCII. */
const mediaType = /^[\x20-\x7e]{1,255}$/
const nothing = new Uint8Array(0)
const zeros = new Uint8Array(8)
