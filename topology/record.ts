export interface Header {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A record for `forward`. Without the field `headers` the record has no headers. */
export interface NewRecord<K, V> {
  readonly key: K
  readonly value: V
  /** The record's time in epoch milliseconds. */
  readonly timestamp: number
  readonly headers?: readonly Header[]
}

export interface Record<K, V> extends NewRecord<K, V> {
  readonly headers: readonly Header[]
}

export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** A window of time. `end` is exclusive for time windows, and inclusive for all other windows. */
export interface Window {
  readonly start: number
  readonly end: number
}

export interface Windowed<K> {
  readonly key: K
  readonly window: Window
}

export type KeyValue<K, V> = readonly [key: K, value: V]

export const noHeaders: readonly Header[] = Object.freeze([])

/** The text of the last header with that key, as `lastHeader` in Kafka; null if there is none. */
export function headerText(headers: readonly Header[], key: string): string | null {
  for (let at = headers.length - 1; at >= 0; at--) {
    const header = headers[at]
    if (header !== undefined && header.key === key) return header.value === null ? null : textOf(header.value)
  }
  return null
}

export function textHeader(key: string, value: string): Header {
  return { key, value: Buffer.from(value) }
}

function textOf(bytes: Uint8Array): string {
  return (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)).toString()
}
