import type { Type } from 'avsc'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Codec, Format } from './format.ts'
import type { KnownSchema } from './registry-client.ts'

/** Values as Avro. A value that another schema wrote is converted to the reader's schema (Avro 1.12, "Schema Resolution"). */
export class AvroFormat implements Format {
  readonly kind = 'AVRO'
  readonly schema: string | null
  #avro: typeof import('avsc') | null = null
  #own: Type | null = null

  constructor(schema: object | string | null) {
    this.schema = typeof schema === 'string' || schema === null ? schema : JSON.stringify(schema)
  }

  async load(): Promise<void> {
    this.#avro ??= (await import('avsc')).default
    if (this.schema === null || this.#own !== null) return
    try {
      this.#own = this.#avro.Type.forSchema(JSON.parse(this.schema))
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_SCHEMA_REFUSED', thrown, {
        message: 'The Avro schema of the serde cannot be parsed',
        next: 'Correct the schema that the serde is given.',
      })
    }
  }

  codec({ id, parsed }: KnownSchema): Codec {
    const own = this.#own
    const writer: unknown = parsed
    if (this.#avro === null || !(writer instanceof this.#avro.Type)) throw unreadable(id)
    const reader = own ?? writer
    // Equal schemas need no resolver. A value is then decoded with the reader's own schema, because the library parsed the writer's schema with other
    // settings.
    const resolver = reader.equals(writer) ? undefined : reader.createResolver(writer)
    return { encode: (value) => reader.toBuffer(value), decode: (body) => reader.fromBuffer(body, resolver) }
  }
}

function unreadable(id: number): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_REFUSED', {
    message: `The schema ${id} is not an Avro schema that can be read`,
    next: 'Correct the schema in the registry.',
  })
}
