import type { ValidateFunction } from 'ajv'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Codec, Format } from './format.ts'
import type { KnownSchema } from './registry-client.ts'

/**
 * JSON values, checked against a JSON Schema (draft 7) at each write and read. The schema is the serde's own. A serde without a schema uses the
 * registered schema of the record.
 */
export class JsonFormat implements Format {
  readonly kind = 'JSON'
  readonly schema: string | null
  #own: ValidateFunction | null = null

  constructor(schema: object | string | null) {
    this.schema = typeof schema === 'string' || schema === null ? schema : JSON.stringify(schema)
  }

  async load(): Promise<void> {
    if (this.schema === null || this.#own !== null) return
    const { Ajv } = await import('ajv')
    try {
      this.#own = new Ajv({ strict: false, validateFormats: false }).compile(JSON.parse(this.schema))
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_SCHEMA_REFUSED', thrown, {
        message: 'The JSON Schema of the serde cannot be compiled',
        next: 'Correct the schema that the serde is given.',
      })
    }
  }

  codec({ id, parsed }: KnownSchema): Codec {
    const own = this.#own
    if (own !== null) {
      return {
        encode: (value) => Buffer.from(JSON.stringify(checked(own, value))),
        decode: (body) => checked(own, JSON.parse(body.toString())),
      }
    }
    if (parsed === null) {
      throw new WaggleError('WAGGLE_SCHEMA_REFUSED', {
        message: `The schema ${id} is not a JSON Schema that can be used`,
        next: 'Correct the schema in the registry, or give the serde a schema of its own.',
      })
    }
    return { encode: (value) => parsed.toBuffer(value as object), decode: (body) => parsed.fromBuffer(body) }
  }
}

function checked(validate: ValidateFunction, value: unknown): unknown {
  if (validate(value)) return value
  const [first] = validate.errors ?? []
  throw new Error(`${first?.instancePath === '' ? 'It' : first?.instancePath} ${first?.message ?? 'is wrong'}`)
}
