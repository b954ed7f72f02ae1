import { isUtf8 } from 'node:buffer'
import { ProblemError } from './problem.ts'

/**
 * Reads a body of `application/x-www-form-urlencoded`. curl sends this type with `-d` and `--data-binary`, whatever the data is, so a body that begins
 * like JSON is taken as JSON: a form never does, because `{`, `[` and `"` are percent-encoded in it. Any other body is an object of the form's fields,
 * as a multipart form without files is. Throws a ProblemError for a body that is neither.
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

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw notForm()
  }
}

function notForm(): ProblemError {
  return new ProblemError(
    'WAGGLE_CONTENT_TYPE',
    'The Content-Type is application/x-www-form-urlencoded, and the body is not such a form. curl sends this type unless it is told another. Send JSON with -H "content-type: application/json", and a file with --data-binary and its own type, such as -H "content-type: image/jpeg"',
  )
}

const maxFields = 100
const hasControlCharacter = /(?![\t\n\r])\p{Cc}/u
