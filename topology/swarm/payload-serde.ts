import { type Header, headerText, textHeader } from '../record.ts'
import type { Serde } from '../serde.ts'
import type { BeeError, Payload } from './payload.ts'
import { decodeTensors, encodeTensors } from './tensor-codec.ts'

export const contentTypeHeader = 'content-type'
export const errorHeader = 'waggle-error'
export const jsonType = 'application/json'
export const tensorsType = 'application/vnd.waggle.tensors'

/** Payloads on a topic; the headers that `payloadHeaders` gives say how to read them. One object: its identity lets values be handed on. */
export const payloadSerde: Serde<Payload> = {
  serialize(_, payload) {
    switch (payload.kind) {
      case 'json':
        return Buffer.from(JSON.stringify(payload.json))
      case 'bytes':
        return payload.bytes
      case 'tensors':
        return encodeTensors(payload.tensors)
      case 'error':
        return Buffer.from(JSON.stringify(payload.error))
    }
  },
  deserialize(_, data, headers = []) {
    const contentType = headerText(headers, contentTypeHeader) ?? 'application/octet-stream'
    if (headerText(headers, errorHeader) !== null) return { kind: 'error', error: parse(data) as BeeError }
    if (contentType === tensorsType) return { kind: 'tensors', tensors: decodeTensors(data) }
    if (mediaTypeOf(contentType) !== jsonType) return { kind: 'bytes', bytes: data, contentType }
    return { kind: 'json', json: parse(data) }
  },
}

export function payloadHeaders(payload: Payload): readonly Header[] {
  if (payload.kind === 'error') return [textHeader(contentTypeHeader, jsonType), textHeader(errorHeader, payload.error.code)]
  return [textHeader(contentTypeHeader, contentTypeOf(payload))]
}

export function contentTypeOf(payload: Payload): string {
  switch (payload.kind) {
    case 'bytes':
      return payload.contentType
    case 'tensors':
      return tensorsType
    case 'json':
    case 'error':
      return jsonType
  }
}

function mediaTypeOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase()
}

function parse(data: Uint8Array): unknown {
  return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString())
}
