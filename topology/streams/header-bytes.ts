import { type Header, noHeaders } from '../record.ts'

/** `length i32, -1 for none │ JSON`: a record's headers in a store of the engine's own. */
export function headerBytes(headers: readonly Header[]): Uint8Array {
  const json = headers.length === 0 ? null : Buffer.from(JSON.stringify(headers.map(textOf)))
  const length = Buffer.allocUnsafe(4)
  length.writeInt32BE(json?.length ?? -1)
  return json === null ? length : Buffer.concat([length, json])
}

/** What `headerBytes` wrote at the beginning of `data`, and how long it is. */
export function headersOf(data: Uint8Array): { readonly headers: readonly Header[]; readonly length: number } {
  const length = new DataView(data.buffer, data.byteOffset, data.length).getInt32(0)
  if (length < 0) return { headers: noHeaders, length: 4 }
  const json = Buffer.from(data.subarray(4, 4 + length)).toString()
  return { headers: (JSON.parse(json) as readonly TextHeader[]).map(headerOf), length: 4 + length }
}

type TextHeader = readonly [key: string, base64: string | null]

function textOf({ key, value }: Header): TextHeader {
  return [key, value === null ? null : Buffer.from(value).toString('base64')]
}

function headerOf([key, base64]: TextHeader): Header {
  return { key, value: base64 === null ? null : Buffer.from(base64, 'base64') }
}
