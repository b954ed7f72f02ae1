import type { KnownSchema, SchemaKind } from './registry-client.ts'

/** Encodes and decodes values of one schema, without the head of the wire format. Both are synchronous: everything they need is loaded. */
export interface Codec {
  encode(value: unknown): Uint8Array
  decode(body: Buffer): unknown
}

/** One of the three kinds of schema, with the reader's own schema and options. */
export interface Format {
  readonly kind: SchemaKind
  /** The writer's schema; null: the latest one that the registry has for the subject. */
  readonly schema: string | null
  /** Loads the libraries that codecs need. Must settle before the first `codec`. */
  load(): Promise<void>
  /** A codec for values that `schema` wrote. It decodes to the reader's own schema. */
  codec(schema: KnownSchema): Codec
}
