import type { KnownSchema, SchemaKind } from './registry-client.ts'

/**
 * Encodes and decodes values of one schema, without the head of the wire format. Both calls are synchronous, because the libraries and the schema are
 * loaded earlier.
 */
export interface Codec {
  encode(value: unknown): Uint8Array
  decode(body: Buffer): unknown
}

/** A kind of schema (Avro, JSON Schema, Protobuf), with the reader's own schema and options. */
export interface Format {
  readonly kind: SchemaKind
  /** The writer's schema; null: the latest schema that the registry has for the subject. */
  readonly schema: string | null
  /** Loads the libraries that codecs need. The promise must settle before the first call of `codec`. */
  load(): Promise<void>
  /** A codec that reads values of `schema`, and decodes them to the reader's own schema. */
  codec(schema: KnownSchema): Codec
}
