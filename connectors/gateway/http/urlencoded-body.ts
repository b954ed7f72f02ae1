import { isUtf8 } from 'node:buffer'
import { ProblemError } from './problem.ts'

/**
 * Reads a body of `application/x-www-form-urlencoded`. curl sends this type with `-d` and `--data-binary` for any data, so a body that begins like
 * JSON is read as JSON. No form begins like JSON, because a form percent-encodes `{`, `[` and `"`. Any other body becomes an object of the form's
 * fields, like a multipart form without files. Throws a ProblemError for a body that is neither JSON nor a form.
 */
export function jsonOfUrlencoded(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0 || beginsLikeJson(bytes)) return bytes
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
  if (!isUtf8(bytes) || !text.includes('=') || hasControlCharacter.test(text)) throw notForm()
  const parts = text.split('&', maxFields + 1)
  if (parts.length > maxFields) throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `The form has more than ${maxFields} fields`)
  const fields = new Map<string, string>()
  for (const part of parts) {
    const at = part.indexOf('=')
    if (at <= 0) throw notForm()
    const name = decoded(part.slice(0, at))
    if (fields.has(name)) throw new ProblemError('WAGGLE_BAD_BODY', `The body has the field ${JSON.stringify(name.slice(0, 100))} twice`)
    fields.set(name, decoded(part.slice(at + 1)))
  }
  return Buffer.from(JSON.stringify(Object.fromEntries(fields)))
}

function beginsLikeJson(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, 64))
    .toString()
    .replace(/^\ufeff/, '')
  return /^\s*[{["]/.test(start)
}

/** Decodes plus signs and percent signs byte by byte. JavaScript's own functions take ten seconds for thirty megabytes of plus signs. */
function decoded(text: string): string {
  const bytes = Buffer.from(text)
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] ?? 0
    if (byte === plus) byte = space
    else if (byte === percent) {
      byte = 16 * digitOf(bytes[at + 1]) + digitOf(bytes[at + 2])
      at += 2
    }
    bytes[length++] = byte
  }
  const plain = bytes.subarray(0, length)
  if (!isUtf8(plain)) throw notForm()
  return plain.toString()
}

/** The value of a hexadecimal digit. Throws a ProblemError for any other byte. */
function digitOf(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  if (lower >= 0x61 && lower <= 0x66) return lower - 0x57
  throw notForm()
}

function notForm(): ProblemError {
  return new ProblemError(
    'WAGGLE_CONTENT_TYPE',
    'The Content-Type is application/x-www-form-urlencoded, and the body is not such a form. curl sends this type unless it is told another. Send JSON with -H "content-type: application/json", and a file with --data-binary and its own type, such as -H "content-type: image/jpeg"',
  )
}

const plus = 0x2b
const space = 0x20
const percent = 0x25
const maxFields = 100
const hasControlCharacter = /(?![\t\n\r])\p{Cc}/u
