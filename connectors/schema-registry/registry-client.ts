import type { SchemaRegistry as Library, SchemaType } from '@kafkajs/confluent-schema-registry'
import type { RegistryAddress } from './registry-address.ts'
import { type AnsweredSchema, watchAnswers } from './registry-answers.ts'
import { incompatible, noSchemaIn, refusalOf, registryClientId, unknownSchema, unregistered } from './registry-errors.ts'

export type SchemaKind = `${Exclude<SchemaType, SchemaType.UNKNOWN>}`

/** A schema as the registry's library parses it; null if the library cannot parse it (some Protobuf files). */
type ParsedSchema = Awaited<ReturnType<Library['getSchema']>>

export interface KnownSchema {
  readonly id: number
  readonly kind: SchemaKind
  readonly text: string
  readonly parsed: ParsedSchema | null
}

export interface OwnSchema {
  readonly kind: SchemaKind
  readonly text: string
}

/**
 * Reads and registers schemas, and remembers each schema that it has read. Throws WAGGLE_SCHEMA_UNKNOWN, WAGGLE_SCHEMA_INCOMPATIBLE,
 * WAGGLE_SCHEMA_NOT_REGISTERED or WAGGLE_SCHEMA_REFUSED. If the registry is unreachable, throws WAGGLE_REGISTRY_UNREACHABLE. This error is an
 * `Unavailable`, so the caller waits for the registry.
 */
export class RegistryClient {
  readonly #address: RegistryAddress
  readonly #protobufMessage: string | null
  readonly #known = new Map<number, KnownSchema>()
  readonly #coming = new Map<number, Promise<KnownSchema>>()
  /** Schemas in the form that came from the registry, before the library has parsed them. */
  readonly #answered = new Map<number, AnsweredSchema>()
  #library: Promise<{ readonly registry: Library; readonly module: LibraryModule }> | null = null

  /** `protobufMessage`: the message that the library searches in a Protobuf file. */
  constructor(address: RegistryAddress, protobufMessage: string | null) {
    this.#address = address
    this.#protobufMessage = protobufMessage
  }

  schema(id: number): Promise<KnownSchema> {
    const there = this.#coming.get(id)
    if (there !== undefined) return there
    const coming = this.#fetch(id)
    this.#coming.set(id, coming)
    // A schema that was read stays in `#known`. After a failure, the next call asks the registry again.
    const settled = () => void this.#coming.delete(id)
    coming.then(settled, settled)
    return coming
  }

  async register(subject: string, own: OwnSchema): Promise<KnownSchema> {
    const { registry, module } = await this.#open()
    const schema = confluentSchema(own, module)
    const levels = Object.values(module.COMPATIBILITY)
    const register = (compatibility: (typeof levels)[number]) => registry.register(schema, { subject, compatibility, updateConfig: false })
    try {
      // The library registers a schema only with the compatibility level of the subject. The error for a wrong level names the right level.
      const { id } = await register(module.COMPATIBILITY.BACKWARD).catch((thrown: unknown) => {
        const level = levels.find((one) => thrown instanceof Error && thrown.message.endsWith(`!= ${one})`))
        if (level === undefined) throw thrown
        return register(level)
      })
      return this.#keep({ id, ...own, parsed: await registry.getSchema(id) })
    } catch (thrown) {
      const refusal = refusalOf(thrown, this.#address.url)
      throw refusal.status === 409 ? incompatible(subject, refusal) : refusal.error(`The schema of ${subject} was not registered`)
    }
  }

  /** The registered schema that equals `own`. Throws WAGGLE_SCHEMA_NOT_REGISTERED if there is none. */
  async find(subject: string, own: OwnSchema): Promise<KnownSchema> {
    const { registry, module } = await this.#open()
    try {
      const id = await registry.getRegistryIdBySchema(subject, confluentSchema(own, module))
      return this.#keep({ ...(await this.schema(id)), ...own })
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'ConfluentSchemaRegistryError') throw unregistered(subject, this.#address.url, thrown)
      throw refusalOf(thrown, this.#address.url).error(`The schema of ${subject} was not found`)
    }
  }

  async latest(subject: string): Promise<KnownSchema> {
    const { registry } = await this.#open()
    try {
      return await this.schema(await registry.getLatestSchemaId(subject))
    } catch (thrown) {
      const refusal = refusalOf(thrown, this.#address.url)
      throw refusal.status === 404 ? unregistered(subject, this.#address.url, thrown) : refusal.error(`The latest schema of ${subject} was not found`)
    }
  }

  async #fetch(id: number): Promise<KnownSchema> {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const { registry } = await this.#open()
    const parsed = await registry.getSchema(id).catch((thrown: unknown) => {
      if (this.#answered.has(id)) return null
      const refusal = refusalOf(thrown, this.#address.url)
      throw refusal.status === 404 ? unknownSchema(id, refusal) : refusal.error(`The schema ${id} was not fetched`)
    })
    const answered = this.#answered.get(id)
    if (answered === undefined) throw noSchemaIn(id, this.#address.url)
    this.#answered.delete(id)
    return this.#keep({ id, ...answered, parsed })
  }

  #keep(schema: KnownSchema): KnownSchema {
    this.#known.set(schema.id, schema)
    return schema
  }

  /** Loads the library at its first use. It is large, and most programs have no registry. */
  #open(): Promise<{ readonly registry: Library; readonly module: LibraryModule }> {
    this.#library ??= import('@kafkajs/confluent-schema-registry').then((module) => {
      const { JSON: json, PROTOBUF: protobuf } = module.SchemaType
      const registry = new module.SchemaRegistry(
        {
          clientId: registryClientId,
          host: this.#address.url,
          middlewares: [watchAnswers(this.#address.auth, (id, schema) => void this.#answered.set(id, schema))],
        },
        {
          // Schemas from other languages may contain unknown keywords, which are ignored.
          [json]: { strict: false, validateFormats: false },
          ...(this.#protobufMessage === null ? {} : { [protobuf]: { messageName: this.#protobufMessage } }),
        },
      )
      return { registry, module }
    })
    return this.#library
  }
}

type LibraryModule = typeof import('@kafkajs/confluent-schema-registry')

function confluentSchema({ kind, text }: OwnSchema, { SchemaType }: LibraryModule): Parameters<Library['register']>[0] {
  switch (kind) {
    case 'AVRO':
      return { type: SchemaType.AVRO, schema: text }
    case 'JSON':
      return { type: SchemaType.JSON, schema: text }
    case 'PROTOBUF':
      return { type: SchemaType.PROTOBUF, schema: text }
  }
}
