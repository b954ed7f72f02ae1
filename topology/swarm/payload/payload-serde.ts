import { mediaTypeOf } from '../../media-type.ts'
import { type Header, headerText, textHeader } from '../../record.ts'
import type { HandingSerde } from '../../serde.ts'
import { saidBy, WaggleError } from '../../waggle-error.ts'
import { errorPayload } from '../request/bee-error.ts'
import { contentTypeHeader, errorHeader } from '../request/headers.ts'
import { claimType, decodeClaim, encodeClaim } from './claim-codec.ts'
import { edgeJson, insideJson } from './json-value.ts'
import type { BeeError, Payload } from './payload.ts'
import { decodeTensors, encodeTensors } from './tensor-codec.ts'

const bytesType = 'application/octet-stream'
export const jsonType = 'application/json'
export const tensorsType = 'application/vnd.waggle.tensors'
export const joinedType = 'application/vnd.waggle.joined'

/**
 * The serde of payloads on topics. A record's headers (see `payloadHeaders`) tell how to read its value. Nodes pass values in memory only if they
 * share this one object.
 */
export const payloadSerde: HandingSerde<Payload> = {
  handsOn: true,
  serialize(_, payload) {
    switch (payload.kind) {
      case 'json':
        return Buffer.from(JSON.stringify(payload.json))
      case 'bytes':
        return payload.bytes
      case 'tensors':
        return encodeTensors(payload.tensors)
      case 'joined':
        return encodeParts(payload.parts)
      case 'claim':
        return encodeClaim(payload.claim)
      case 'error':
        return Buffer.from(JSON.stringify(payload.error))
    }
  },
  deserialize(_, data, headers = []) {
    try {
      return read(data, headers)
    } catch (thrown) {
      return unreadable(thrown)
    }
  },
}

/** Reads a payload from outside: JSON within `edgeBounds`. The kinds of payloads that only Waggle makes are refused. */
export function edgePayload(data: Uint8Array, headers: readonly Header[]): Payload {
  const contentType = headerText(headers, contentTypeHeader) ?? bytesType
  try {
    if (isOwnType(contentType)) throw badPayload(`${mediaTypeOf(contentType)} is not accepted from outside`)
    return payloadOfBytes(data, contentType, edgeJson)
  } catch (thrown) {
    return unreadable(thrown)
  }
}

/** True for the media types of payloads that only Waggle makes: what a join gives, and claim checks. */
export function isOwnType(contentType: string): boolean {
  const mediaType = mediaTypeOf(contentType)
  return mediaType === joinedType || mediaType === claimType
}

/** Reads bytes as a payload of this content type. Throws if the bytes are malformed. */
export function payloadOfBytes(data: Uint8Array, contentType: string, json: (bytes: Uint8Array) => unknown = insideJson): Payload {
  const mediaType = mediaTypeOf(contentType)
  if (mediaType === jsonType) return { kind: 'json', json: json(data) }
  if (mediaType === tensorsType) return { kind: 'tensors', tensors: decodeTensors(data) }
  if (mediaType === joinedType) return { kind: 'joined', parts: decodeParts(data) }
  if (mediaType === claimType) return { kind: 'claim', claim: decodeClaim(data) }
  if (!headerCharacters.test(contentType)) throw badPayload('the content type is not a text of at most 255 printable characters')
  return { kind: 'bytes', bytes: data, contentType }
}

/** The characters that a content type may have as a header of an HTTP response. */
const headerCharacters = /^[\t\x20-\x7e]{1,255}$/

function read(data: Uint8Array, headers: readonly Header[]): Payload {
  if (headerText(headers, errorHeader) !== null) return { kind: 'error', error: errorOf(insideJson(data)) }
  return payloadOfBytes(data, headerText(headers, contentTypeHeader) ?? bytesType)
}

function errorOf(json: unknown): BeeError {
  const error = json as BeeError | null
  const isError =
    typeof error === 'object' &&
    error !== null &&
    [error.code, error.title, error.detail, error.bee].every((text) => typeof text === 'string') &&
    Number.isInteger(error.status) &&
    error.status >= 400 &&
    error.status < 600
  if (!isError) throw badPayload('the error has no code, status, title, detail and bee')
  return error
}

function badPayload(why: string): WaggleError {
  return new WaggleError('WAGGLE_BAD_PAYLOAD', { message: why, next: 'Send a value of the type that the content type names.' })
}

/** An error payload for bytes that do not match their content type. Only the request of these bytes fails, and the partition goes on. */
export function unreadable(thrown: unknown): Payload {
  const detail = `The payload is not what its content type says: ${saidBy(thrown)}`
  return errorPayload({ code: 'WAGGLE_BAD_PAYLOAD', detail, bee: '' })
}

export function payloadHeaders(payload: Payload): readonly Header[] {
  if (payload.kind === 'json') return jsonHeaders
  if (payload.kind === 'error') return [...jsonHeaders, textHeader(errorHeader, payload.error.code)]
  return [textHeader(contentTypeHeader, contentTypeOf(payload))]
}

/** The headers of nearly all payloads, made once. */
const jsonHeaders: readonly Header[] = [textHeader(contentTypeHeader, jsonType)]

export function contentTypeOf(payload: Payload): string {
  switch (payload.kind) {
    case 'bytes':
      return payload.contentType
    case 'tensors':
      return tensorsType
    case 'joined':
      return joinedType
    case 'claim':
      return claimType
    case 'json':
    case 'error':
      return jsonType
  }
}

interface PartHead {
  readonly name: string
  readonly content_type: string
  readonly error: boolean
  readonly length: number
}

/** Layout: `length of head u32 LE │ head, a JSON list │ padding to 8 │ bodies, each padded to 8`. */
function encodeParts(parts: ReadonlyMap<string, Payload>): Uint8Array {
  const bodies: Uint8Array[] = []
  const heads: PartHead[] = []
  for (const [name, payload] of parts) {
    const body = payloadSerde.serialize('', payload)
    bodies.push(body)
    heads.push({ name, content_type: contentTypeOf(payload), error: payload.kind === 'error', length: body.length })
  }
  const head = Buffer.from(JSON.stringify(heads))
  const bytes = Buffer.alloc(align8(4 + head.length) + bodies.reduce((sum, body) => sum + align8(body.length), 0))
  bytes.writeUInt32LE(head.length)
  bytes.set(head, 4)
  let at = align8(4 + head.length)
  for (const body of bodies) {
    bytes.set(body, at)
    at += align8(body.length)
  }
  return bytes
}

function decodeParts(data: Uint8Array): ReadonlyMap<string, Payload> {
  const headLength = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true)
  const heads = insideJson(data.subarray(4, 4 + headLength)) as readonly PartHead[]
  let at = align8(4 + headLength)
  return new Map(
    heads.map(({ name, content_type, error, length }) => {
      const headers = [textHeader(contentTypeHeader, content_type), ...(error ? [textHeader(errorHeader, '1')] : [])]
      const part = payloadSerde.deserialize('', data.subarray(at, at + length), headers)
      at += align8(length)
      return [name, part]
    }),
  )
}

function align8(length: number): number {
  return Math.ceil(length / 8) * 8
}
