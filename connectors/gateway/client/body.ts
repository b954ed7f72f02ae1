import { mediaTypeOf } from '../../../topology/media-type.ts'
/** Bytes with their media type: a payload, or an answer that is not JSON. */
export interface Media {
  readonly contentType: string
  readonly bytes: Uint8Array
}

export interface Body {
  readonly contentType: string
  readonly bytes: Uint8Array<ArrayBuffer>
}

/**
 * A payload as the body of a request. Bytes, `Media` and a `Blob` are sent unchanged; any other payload is sent as JSON. Throws a TypeError for a
 * value that JSON cannot represent.
 */
export async function bodyOf(payload: unknown, contentType: string | undefined): Promise<Body> {
  const usual = contentType ?? 'application/octet-stream'
  if (payload instanceof Blob) return { bytes: await bytesIn(payload), contentType: contentType ?? (payload.type || usual) }
  if (payload instanceof ArrayBuffer) return { bytes: new Uint8Array(payload), contentType: usual }
  if (payload instanceof Uint8Array) return { bytes: new Uint8Array(payload), contentType: usual }
  if (isMedia(payload)) return { bytes: new Uint8Array(payload.bytes), contentType: contentType ?? payload.contentType }
  if (contentType !== undefined && !isJson(contentType))
    throw new TypeError(`contentType is ${contentType}, and the payload is no bytes: encode it first`)
  const text = JSON.stringify(payload)
  if (text === undefined) throw new TypeError(`The payload is ${typeof payload}, which is no JSON: give a JSON value or bytes`)
  return { bytes: new TextEncoder().encode(text), contentType: 'application/json' }
}

/** The value of an answer: a JSON value, or `Media` for any other content type. */
export function answerIn(bytes: Uint8Array, contentType: string): unknown {
  return isJson(contentType) ? JSON.parse(new TextDecoder().decode(bytes)) : { contentType, bytes }
}

function isMedia(payload: unknown): payload is Media {
  return (
    payload !== null &&
    typeof payload === 'object' &&
    'bytes' in payload &&
    payload.bytes instanceof Uint8Array &&
    'contentType' in payload &&
    typeof payload.contentType === 'string'
  )
}

async function bytesIn(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer())
}

function isJson(contentType: string): boolean {
  return mediaTypeOf(contentType) === 'application/json'
}
