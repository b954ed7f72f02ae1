import { deserialize as readBinary, serialize as writeBinary } from 'node:v8'
import type { Serde } from '../../serde.ts'

/**
 * The serde of keys and values inside of a bee of the DSL, if its author names no serde. The encoding is JSON. A value that JSON cannot represent
 * (bytes, tensors) is written as a zero byte and V8's own format. Later versions of Node can read this format.
 */
export const beeValueSerde: Serde<unknown> = {
  serialize(_, value) {
    const text = jsonOf(value)
    if (text !== null) return Buffer.from(text)
    return Buffer.concat([binaryMark, writeBinary(value)])
  },
  deserialize(_, data) {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
    return bytes[0] === 0 ? plain(readBinary(bytes.subarray(1))) : JSON.parse(bytes.toString())
  },
}

/** JSON never begins with a zero byte. */
const binaryMark = Uint8Array.of(0)

/** The value as JSON; null for a value with binary parts. */
function jsonOf(value: unknown): string | null {
  let isBinary = false
  const text = JSON.stringify(value, (_, part: unknown) => {
    if (ArrayBuffer.isView(part) || typeof part === 'bigint') isBinary = true
    return isBinary ? undefined : part
  })
  return isBinary || text === undefined ? null : text
}

/** Bytes that were written as a Buffer are read back as a Uint8Array. */
function plain(value: unknown): unknown {
  return Buffer.isBuffer(value) ? new Uint8Array(value) : value
}
