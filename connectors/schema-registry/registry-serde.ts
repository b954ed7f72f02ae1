import type { Serde, SerdeUse } from '../../topology/serde.ts'
import { Unavailable, WaggleError } from '../../topology/waggle-error.ts'
import type { Codec, Format } from './format.ts'
import type { KnownSchema, RegistryClient } from './registry-client.ts'
import { bodyOf, schemaIdIn, schemaIdOf, withSchemaId } from './wire-format.ts'

export interface RegistrySerdeOptions {
  readonly client: RegistryClient
  readonly format: Format
  /** The subject for a use of the serde. Null if the subject needs the name of a topic, but the use has no topic. */
  readonly subjectOf: (use: SerdeUse) => string | null
  /** True: schemas that the registry does not have are registered. */
  readonly registers: boolean
}

/**
 * Values in Confluent's wire format. Reading and writing are synchronous, so schemas are loaded earlier. The writer's schema is loaded when the serde
 * is opened for a topic. The schema of a record to read is loaded when the record is prepared, once for each id.
 */
export class RegistrySerde implements Serde<unknown> {
  readonly #options: RegistrySerdeOptions
  readonly #codecs = new Map<number, Codec>()
  readonly #opened = new Map<string, Promise<Writer>>()
  readonly #writers = new Map<string, Writer>()
  /** The writer for uses without a topic. One writer can serve all of them, because an id stands for the same schema everywhere in a registry. */
  #usual: Writer | null = null
  /** For each schema id that cannot be fetched, its error. Reading a value with this id throws the error. */
  readonly #refusals = new Map<number, unknown>()

  constructor(options: RegistrySerdeOptions) {
    this.#options = options
  }

  async open(use: SerdeUse): Promise<void> {
    const subject = this.#options.subjectOf(use)
    if (subject === null) {
      if (this.#usual === null) throw noSubject()
      return
    }
    const opening = this.#opened.get(subject) ?? this.#writer(subject)
    this.#opened.set(subject, opening)
    try {
      const writer = await opening
      if (use.topic !== null) this.#writers.set(use.topic, writer)
      this.#usual ??= writer
    } catch (thrown) {
      this.#opened.delete(subject)
      throw thrown
    }
  }

  serialize(topic: string, value: unknown): Uint8Array {
    const writer = this.#writers.get(topic) ?? this.#usual
    if (writer === null) throw notOpen(topic)
    try {
      return withSchemaId(writer.id, writer.codec.encode(value))
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_INVALID_VALUE', thrown, {
        message: `A value of ${topic} does not fit its schema`,
        next: 'Correct the value, or the schema.',
      })
    }
  }

  prepare(_: string, data: Uint8Array): Promise<void> | null {
    const id = schemaIdIn(data)
    return id === null || this.#codecs.has(id) ? null : this.#fetch(id)
  }

  deserialize(topic: string, data: Uint8Array): unknown {
    const id = schemaIdOf(topic, data)
    const codec = this.#codecs.get(id) ?? this.#notHere(topic, id)
    try {
      return codec.decode(bodyOf(data))
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_INVALID_VALUE', thrown, {
        message: `A record of ${topic} is not what its schema ${id} says`,
        next: 'Look at who writes the topic.',
      })
    }
  }

  async #writer(subject: string): Promise<Writer> {
    const { client, format, registers } = this.#options
    await format.load()
    const { schema, kind } = format
    const found =
      schema === null
        ? await client.latest(subject)
        : registers
          ? await client.register(subject, { kind, text: schema })
          : await client.find(subject, { kind, text: schema })
    return { id: found.id, codec: this.#codec(found) }
  }

  async #fetch(id: number): Promise<void> {
    const { client, format } = this.#options
    try {
      const [schema] = await Promise.all([client.schema(id), format.load()])
      this.#codec(schema)
      this.#refusals.delete(id)
    } catch (thrown) {
      if (!(thrown instanceof Unavailable)) this.#refuse(id, thrown)
      throw thrown
    }
  }

  #codec(schema: KnownSchema): Codec {
    const { format } = this.#options
    const there = this.#codecs.get(schema.id)
    if (there !== undefined) return there
    if (schema.kind !== format.kind) throw wrongKind(schema, format)
    const codec = format.codec(schema)
    this.#codecs.set(schema.id, codec)
    return codec
  }

  /**
   * Always throws, because the schema is not loaded. If an earlier fetch was refused, throws its error. Otherwise starts a fetch and throws
   * `Unavailable`. The task then rolls back, and finds the schema at the next attempt.
   */
  #notHere(topic: string, id: number): never {
    if (this.#refusals.has(id)) throw this.#refusals.get(id)
    this.#fetch(id).catch(() => {})
    throw new Unavailable('WAGGLE_SCHEMA_NOT_FETCHED', {
      message: `The schema ${id} of a record of ${topic} is not here yet`,
      next: 'Read the record again in a moment: its schema is being fetched.',
    })
  }

  #refuse(id: number, reason: unknown): void {
    const [oldest] = this.#refusals.keys()
    if (this.#refusals.size >= maxRefusals && oldest !== undefined) this.#refusals.delete(oldest)
    this.#refusals.set(id, reason)
  }
}

interface Writer {
  readonly id: number
  readonly codec: Codec
}

const maxRefusals = 1000

function noSubject(): WaggleError {
  return new WaggleError('WAGGLE_SUBJECT_UNKNOWN', {
    message: 'A serde of a schema registry writes where no topic’s name is known at the start, so it has no subject to register under',
    next: 'Give the serde a subject.',
  })
}

function notOpen(topic: string): WaggleError {
  return new WaggleError('WAGGLE_SERDE_NOT_OPEN', {
    message: `A serde of a schema registry writes to ${topic} before it was opened for it`,
    next: 'Await its open({ topic, part }) first; what an application writes is opened when it starts.',
  })
}

function wrongKind({ id, kind }: KnownSchema, format: Format): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_WRONG_KIND', {
    message: `The schema ${id} is ${kind}, and is read as ${format.kind}`,
    next: `Read the topic with a serde for ${kind}, or correct the program that writes to the topic.`,
  })
}
