import type { Serde, SerdeUse } from '../../topology/serde.ts'
import { aName, optionsOf, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { AvroFormat } from './avro-format.ts'
import type { Format } from './format.ts'
import { JsonFormat } from './json-format.ts'
import { ProtobufFormat } from './protobuf-format.ts'
import type { RegistryAddress, RegistryAuth } from './registry-address.ts'
import { RegistryClient } from './registry-client.ts'
import { RegistrySerde } from './registry-serde.ts'

export interface SchemaRegistryOptions {
  /**
   * The base URL of the registry's API with its path: `http://localhost:8081`, or `http://localhost:8080/apis/ccompat/v7`. A user and password in the
   * URL count as `auth`.
   */
  readonly url: string
  readonly auth?: RegistryAuth
}

export interface SubjectOptions {
  /** The subject of the schema that values are written with. Default: `<topic>-key` or `<topic>-value` (Confluent's TopicNameStrategy). */
  readonly subject?: string | ((use: { readonly topic: string; readonly part: 'key' | 'value' }) => string)
  /** False: the schema must already be registered, else WAGGLE_SCHEMA_NOT_REGISTERED is thrown. Default: true. */
  readonly register?: boolean
}

/**
 * Options for a serde. Without a `schema`, values are written with the subject's latest schema, and each value is read with the schema that wrote it.
 */
export interface SchemaOptions extends SubjectOptions {
  readonly schema?: object | string
}

export interface ProtobufOptions extends SubjectOptions {
  /** The text of a `.proto` file. */
  readonly schema: string
  /** The name of the message within the package; a nested message is `Outer.Inner`. Default: the first message in the file. */
  readonly message?: string
}

/** Makes serdes in Confluent's wire format. Their schemas are kept in one registry. */
export interface SchemaRegistry {
  /** Values as Avro. A value that another schema wrote is converted to this schema by Avro's rules. */
  avro<T>(options?: SchemaOptions): Serde<T>
  /** Values as JSON that conforms to a JSON Schema (draft 7). */
  jsonSchema<T>(options?: SchemaOptions): Serde<T>
  /** Values as Protobuf. 64-bit integers are bigints, enums are their names, and bytes are Uint8Arrays. Fields have the same names as in the file. */
  protobuf<T>(options: ProtobufOptions): Serde<T>
}

/**
 * A schema registry with Confluent's API (Confluent's own, Apicurio, Karapace, Redpanda).
 *
 *     const registry = schemaRegistry({ url: 'http://localhost:8081' })
 *     const orders = registry.avro<Order>({ schema: orderSchema })
 *     builder.stream('orders', Consumed.with(Serdes.string(), orders))
 *
 * The registry is first asked when an application starts. The start registers all schemas that the application writes with (errors:
 * WAGGLE_SCHEMA_INCOMPATIBLE, WAGGLE_SCHEMA_REFUSED, WAGGLE_REGISTRY_UNREACHABLE). The schema that wrote a record is fetched once, before the record
 * is read. While the registry is unreachable, partitions that need a schema wait, and no record is lost. WAGGLE_SCHEMA_UNKNOWN,
 * WAGGLE_NOT_THE_WIRE_FORMAT, WAGGLE_SCHEMA_WRONG_KIND and WAGGLE_INVALID_VALUE are failures of a single record.
 */
export function schemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  refuseWrong('schemaRegistry', parameters({ options: optionsOf({ url: aName }, ['url']) }), [options], 'WAGGLE_INVALID_CONFIG')
  const address = addressOf(options)
  const client = new RegistryClient(address, null)
  const serde = <T>(format: Format, { subject, register }: SubjectOptions, of = client): Serde<T> =>
    new RegistrySerde({ client: of, format, subjectOf: subjectOf(subject), registers: register ?? true }) as Serde<unknown> as Serde<T>
  return {
    avro: (options = {}) => serde(new AvroFormat(options.schema ?? null), options),
    jsonSchema: (options = {}) => serde(new JsonFormat(options.schema ?? null), options),
    protobuf: (options) =>
      serde(new ProtobufFormat(options.schema, options.message ?? null), options, new RegistryClient(address, options.message ?? null)),
  }
}

/** Throws WAGGLE_INVALID_CONFIG for a URL that is not an HTTP address. */
function addressOf({ url, auth }: SchemaRegistryOptions): RegistryAddress {
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol)) {
    throw new WaggleError('WAGGLE_INVALID_CONFIG', { message: `${url} is not an address of a schema registry`, next: 'Write http://host:port/path.' })
  }
  const { username, password } = parsed
  parsed.username = ''
  parsed.password = ''
  const own = username === '' ? null : { username: decodeURIComponent(username), password: decodeURIComponent(password) }
  return { url: parsed.href.replace(/\/+$/, ''), auth: auth ?? own }
}

function subjectOf(subject: SubjectOptions['subject']): (use: SerdeUse) => string | null {
  if (typeof subject === 'string') return () => subject
  const named = subject ?? (({ topic, part }) => `${topic}-${part}`)
  return ({ topic, part }) => (topic === null ? null : named({ topic, part }))
}
