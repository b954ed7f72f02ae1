import type { IParserResult, NamespaceBase, Type } from 'protobufjs'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Codec, Format } from './format.ts'
import type { KnownSchema } from './registry-client.ts'
import { messageIndexBytes, messageIndexesIn } from './wire-format.ts'

/**
 * Protobuf, with message indexes before each message, as Confluent's serializers write them. A value must be a message with the name of the reader's
 * own message. Such a value is decoded as the reader's message, by Protobuf's rules for unknown and missing fields.
 */
export class ProtobufFormat implements Format {
  readonly kind = 'PROTOBUF'
  readonly schema: string
  readonly #message: string | null
  #own: { readonly protobuf: Protobuf; readonly type: Type; readonly indexes: readonly number[] } | null = null

  /** `message`: the name of the message within the package; a nested message is `Outer.Inner`. Null: the first message in the file. */
  constructor(schema: string, message: string | null) {
    this.schema = schema
    this.#message = message
  }

  async load(): Promise<void> {
    if (this.#own !== null) return
    const protobuf = (await import('protobufjs')).default
    try {
      const file = protobuf.parse(this.schema, { keepCase: true })
      const type = this.#message === null ? messagesIn(protobuf, packageOf(file))[0] : packageOf(file).lookupType(this.#message)
      if (type === undefined) throw new Error('it has no message')
      this.#own = { protobuf, type, indexes: indexesOf(protobuf, type) }
    } catch (thrown) {
      throw WaggleError.from('WAGGLE_SCHEMA_REFUSED', thrown, {
        message: 'The Protobuf schema of the serde cannot be used',
        next: 'Correct the schema that the serde is given, or the name of the message.',
      })
    }
  }

  codec({ id, text }: KnownSchema): Codec {
    const own = this.#own
    if (own === null) throw new WaggleError('WAGGLE_INTERNAL', { message: 'A Protobuf serde was not loaded', next: 'Report this as a bug.' })
    const { protobuf, type } = own
    const head = messageIndexBytes(own.indexes)
    const writer = text === this.schema ? null : packageOf(protobuf.parse(text, { keepCase: true }))
    const fits = (indexes: readonly number[]) =>
      writer === null ? indexes.join() === own.indexes.join() : messageAt(protobuf, writer, indexes)?.fullName === type.fullName
    let last = ''
    return {
      encode: (value) => Buffer.concat([head, type.encode(type.fromObject(value as object)).finish()]),
      decode(body) {
        const { indexes, length } = messageIndexesIn(body)
        const path = indexes.join()
        if (path !== last && !fits(indexes)) throw anotherMessage(id, indexes, type)
        last = path
        return type.toObject(type.decode(body.subarray(length)), shown)
      },
    }
  }
}

type Protobuf = typeof import('protobufjs')

/** The form of values in TypeScript. 64-bit integers are bigints, because a number cannot hold all of them exactly. */
const shown = { defaults: true, arrays: true, objects: true, oneofs: false, enums: String, longs: BigInt } as const

function packageOf({ root, package: name }: IParserResult): NamespaceBase {
  const found = name ? root.lookup(name) : root
  return found !== null && 'nestedArray' in found ? (found as NamespaceBase) : root
}

function messagesIn(protobuf: Protobuf, parent: NamespaceBase): readonly Type[] {
  return parent.nestedArray.filter((one): one is Type => one instanceof protobuf.Type)
}

function messageAt(protobuf: Protobuf, file: NamespaceBase, indexes: readonly number[]): Type | null {
  let at: NamespaceBase | undefined = file
  for (const index of indexes) at = at === undefined ? undefined : messagesIn(protobuf, at)[index]
  return at instanceof protobuf.Type ? at : null
}

function indexesOf(protobuf: Protobuf, type: Type): readonly number[] {
  const { parent } = type
  if (parent === null) return []
  return [...(parent instanceof protobuf.Type ? indexesOf(protobuf, parent) : []), messagesIn(protobuf, parent).indexOf(type)]
}

function anotherMessage(id: number, indexes: readonly number[], { fullName }: Type): WaggleError {
  return new WaggleError('WAGGLE_SCHEMA_WRONG_KIND', {
    message: `A record has the message [${indexes}] of the schema ${id}, which is not ${fullName.replace(/^\./, '')}`,
    next: 'Name the message that the topic has, or correct the program that writes to the topic.',
  })
}
