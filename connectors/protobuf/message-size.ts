import protobuf from 'protobufjs'

export interface ValueBound {
  readonly most: number
  /** The number of values that a text or a buffer counts as. Default: 1. */
  readonly costOfBytes?: number
  /** The number of values that a 64-bit number counts as. Default: 1. */
  readonly costOfInteger64?: number
  /** The error for a message with more values. */
  readonly error: () => Error
}

/**
 * Bounds the values of a message that are small on the wire: fields, and items of lists of varints. A value of one byte on the wire takes some
 * seventy bytes in memory, so a message within its size limit could still fill the heap of the process.
 */
export function boundValues(type: protobuf.Type, message: Uint8Array, { most, error, costOfBytes = 1, costOfInteger64 = 1 }: ValueBound): void {
  let values = 0
  const add = (count: number): void => {
    values += count
    if (values > most) throw error()
  }
  const walk = (bytes: Uint8Array, contentOf: (id: number) => Content | null): void => {
    const reader = protobuf.Reader.create(bytes)
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      const content = contentOf(tag >>> 3)
      const cost = content?.isInteger64 === true ? costOfInteger64 : 1
      if ((tag & 7) !== lengthDelimited) {
        add(cost)
        reader.skipType(tag & 7)
        continue
      }
      const part = reader.bytes()
      add(content?.isBytes === true ? costOfBytes : 1)
      if (content === null) continue
      const { message, isMap, isVarint, isInteger64 } = content
      if (message !== null) add(valuesOfMessage)
      if (isMap) walk(part, (id) => (id === mapValue ? { ...content, isMap: false } : null))
      else if (message !== null) walk(part, (id) => contentIn(message, id))
      else if (isVarint) add(cost * lastBytes(part))
      else if (isInteger64) add(cost * (part.byteLength / 8))
    }
  }
  walk(message, (id) => contentIn(type, id))
}

interface Content {
  /** The type of the message in the field; null if the field contains no message. */
  readonly message: protobuf.Type | null
  readonly isMap: boolean
  readonly isVarint: boolean
  readonly isBytes: boolean
  readonly isInteger64: boolean
}

function contentIn(type: protobuf.Type, id: number): Content | null {
  const field = type.fieldsById[id]?.resolve()
  if (field === undefined) return null
  const { resolvedType, type: name } = field
  return {
    message: resolvedType instanceof protobuf.Type ? resolvedType : null,
    isMap: field.map,
    isVarint: varints.has(name),
    isBytes: name === 'bytes' || name === 'string',
    isInteger64: integers64.has(name),
  }
}

/** The number of varints in a packed list. Exactly the last byte of each varint has no high bit, so the bytes without a high bit are counted. */
function lastBytes(list: Uint8Array): number {
  let count = 0
  for (const byte of list) if (byte < 0x80) count++
  return count
}

const varints: ReadonlySet<string> = new Set(['int32', 'int64', 'uint32', 'uint64', 'sint32', 'sint64', 'bool'])
const integers64: ReadonlySet<string> = new Set(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'])
const lengthDelimited = 2
const mapValue = 2
/** The memory of a message inside another message, as a number of values. */
const valuesOfMessage = 15
