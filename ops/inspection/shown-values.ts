import { pictureFormat } from '../../connectors/pictures/picture-format.ts'
import { bytesIn, DamagedValue, type LogRecord } from '../../processor/ports.ts'
import { mediaTypeOf } from '../../topology/media-type.ts'
import { type Header, headerText } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import type { Payload, Tensor } from '../../topology/swarm/payload/payload.ts'
import { joinedType, payloadOfBytes, tensorsType } from '../../topology/swarm/payload/payload-serde.ts'
import { contentTypeHeader, errorHeader } from '../../topology/swarm/request/headers.ts'

/** Makes the values of records readable: text stays unchanged, tensors and pictures become a summary, and Avro becomes JSON. */
export class ShownValues {
  /** The serde for Avro; null without a schema registry. */
  readonly #avro: Serde<unknown> | null

  constructor(avro: Serde<unknown> | null) {
    this.#avro = avro
  }

  /**
   * The value as text, cut after `maxCharacters`; null for a tombstone. Never throws. For bytes that cannot be decoded, the text is the number of
   * bytes.
   */
  async text(topic: string, { value, headers }: Pick<LogRecord, 'value' | 'headers'>, maxCharacters: number): Promise<string | null> {
    if (value === null) return null
    if (value instanceof DamagedValue) return cut(`(damaged: ${value.error.message})`, maxCharacters)
    const bytes = bytesIn(value)
    return cut(await this.#decoded(topic, bytes, headers).catch(() => textOrCount(bytes)), maxCharacters)
  }

  async #decoded(topic: string, bytes: Uint8Array, headers: readonly Header[]): Promise<string> {
    const contentType = headerText(headers, contentTypeHeader)
    const mediaType = mediaTypeOf(contentType)
    if (mediaType === tensorsType || mediaType === joinedType) {
      return JSON.stringify(await jsonOf(payloadOfBytes(bytes, mediaType)))
    }
    // The header `content-type` says if the bytes are Avro. Without this header, the first byte of Confluent's wire format, which is 0, decides.
    if (mediaType.endsWith('+avro') || (contentType === null && bytes[0] === 0)) {
      const avro = await this.#avroText(topic, bytes)
      if (avro !== null) return avro
    }
    return headerText(headers, errorHeader) === null ? shownBytes(bytes, contentType) : textOrCount(bytes)
  }

  async #avroText(topic: string, bytes: Uint8Array): Promise<string | null> {
    if (this.#avro === null) return null
    await this.#avro.prepare?.(topic, bytes)
    const value = this.#avro.deserialize(topic, bytes)
    return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part))
  }
}

/** The text of the bytes, or the number of bytes if they are not text. */
export function textOrCount(bytes: Uint8Array): string {
  try {
    const text = utf8.decode(bytes)
    return isControl.test(text) ? `<${bytes.length} bytes>` : text
  } catch {
    return `<${bytes.length} bytes>`
  }
}

async function shownBytes(bytes: Uint8Array, contentType: string | null): Promise<string> {
  const format = pictureFormat(bytes)
  if (format === null) return textOrCount(bytes)
  return `<picture: ${contentType ?? `image/${format}`}${await sizeOf(bytes)}, ${bytes.length} bytes>`
}

/** The size of a picture as a text; empty if the header of the file cannot be read. */
async function sizeOf(bytes: Uint8Array): Promise<string> {
  try {
    const { default: sharp } = await import('sharp')
    const { width, height } = await sharp(bytes).metadata()
    return `, ${width} × ${height}`
  } catch {
    return ''
  }
}

async function jsonOf(payload: Payload): Promise<unknown> {
  switch (payload.kind) {
    case 'json':
      return payload.json
    case 'error':
      return { error: payload.error }
    case 'bytes':
      return shownBytes(payload.bytes, payload.contentType)
    case 'tensors':
      return { tensors: Object.fromEntries(Object.entries(payload.tensors).map(([name, tensor]) => [name, summaryOf(tensor)])) }
    case 'claim':
      return { claim: payload.claim }
    case 'joined':
      return Object.fromEntries(await Promise.all([...payload.parts].map(async ([bee, part]) => [bee, await jsonOf(part)] as const)))
  }
}

function summaryOf({ datatype, shape, data }: Tensor): object {
  const first = Array.from(data.subarray(0, maxShownValues) as Iterable<number | bigint>, (value) =>
    typeof value === 'bigint' ? String(value) : value,
  )
  return { datatype, shape, data: data.length > maxShownValues ? [...first, `… ${data.length - maxShownValues} more`] : first }
}

function cut(text: string, maxCharacters: number): string {
  return (text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)} … (${text.length} characters)`).toWellFormed()
}

const maxShownValues = 16
/** Matches a control character that is not white space. A payload with such a character does not count as text. */
const isControl = /[^\P{Cc}\s]/u
const utf8 = new TextDecoder('utf-8', { fatal: true })
