import { WaggleError } from '../../topology/waggle-error.ts'
import { zigzagVarint } from '../../topology/zigzag-varint.ts'

/**
 * Confluent's wire format:
 *
 *     magic byte 0 │ schema id i32 BE │ body
 *
 * A Protobuf body is `message indexes │ message`. The indexes are the path to the message in its file, from the outermost message inwards. Each
 * number is a zigzag varint: `count │ index*`, or a single 0 for the first message of the file.
 */
const headLength = 5

/** The schema id of a record. Throws WAGGLE_NOT_THE_WIRE_FORMAT for data without the head of this format. */
export function schemaIdOf(topic: string, data: Uint8Array): number {
  const id = schemaIdIn(data)
  if (id === null) throw notTheWireFormat(topic, data)
  return id
}

/** The schema id in the head of the data; null for data without a head. */
export function schemaIdIn(data: Uint8Array): number | null {
  return data.length < headLength || data[0] !== 0 ? null : new DataView(data.buffer, data.byteOffset, headLength).getInt32(1)
}

export function withSchemaId(id: number, ...body: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.alloc(headLength)
  head.writeInt32BE(id, 1)
  return Buffer.concat([head, ...body])
}

/** The data after the head. The bytes are not copied. */
export function bodyOf(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset + headLength, data.length - headLength)
}

export function messageIndexBytes(indexes: readonly number[]): Uint8Array {
  return indexes.length === 1 && indexes[0] === 0 ? Buffer.of(0) : Buffer.from([indexes.length, ...indexes].flatMap(zigzagVarint))
}

/** The message indexes at the start of a body, and their length in bytes. */
export function messageIndexesIn(body: Uint8Array): { readonly indexes: readonly number[]; readonly length: number } {
  let at = 0
  const next = () => {
    let value = 0
    for (let factor = 1; factor <= 128 ** 4; factor *= 128) {
      const byte = body[at++]
      if (byte === undefined) break
      value += (byte % 128) * factor
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    throw noIndexes('They end too early')
  }
  const count = next()
  if (count === 0) return { indexes: [0], length: at }
  if (count < 0 || count > body.length) throw noIndexes(`There cannot be ${count} of them`)
  const indexes = Array.from({ length: count }, next)
  return { indexes, length: at }
}

function notTheWireFormat(topic: string, data: Uint8Array): WaggleError {
  const found = data.length < headLength ? `has ${data.length} bytes` : `begins with ${data[0]}`
  return new WaggleError('WAGGLE_NOT_THE_WIRE_FORMAT', {
    message: `A record of ${topic} ${found}; what a schema registry’s serializer writes begins with 0 and a schema’s id`,
    next: 'Read the topic with the serde that it is written with, or correct the program that writes to the topic.',
  })
}

function noIndexes(what: string): WaggleError {
  return new WaggleError('WAGGLE_NOT_THE_WIRE_FORMAT', {
    message: `The message indexes of a Protobuf record cannot be read: ${what}`,
    next: 'Correct the program that writes the record: Confluent’s serializers put the indexes between the schema’s id and the message.',
  })
}
