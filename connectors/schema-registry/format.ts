import type { KnownSchema, SchemaKind } from './registry-client.ts'

/** Values as bytes under one schema, the head left out. Both are synchronous: whatever they need is there. */
export interface Codec {
  encode(value: unknown): Uint8Array
  decode(body: Buffer): unknown
}

/** One of the three kinds of schema, with what its reader wants. */
export interface Format {
  readonly kind: SchemaKind
  /** Of the writer; null: the latest that the registry has for the subject. */
  readonly schema: string | null
  /** Loads what codecs are made with. Awaited before the first. */
  load(): Promise<void>
  /** Of what is written with this schema, as the reader wants it. */
  codec(schema: KnownSchema): Codec
}
