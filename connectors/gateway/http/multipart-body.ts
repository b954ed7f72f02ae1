import { isUtf8 } from 'node:buffer'
import { ProblemError } from './problem.ts'

/** A multipart form as the input of a request. A form with a single file becomes that file. A form without files becomes an object of its fields. */
export type Form =
  | { readonly kind: 'file'; readonly bytes: Uint8Array; readonly contentType: string }
  | { readonly kind: 'fields'; readonly fields: ReadonlyMap<string, string> }

/** Reads a `multipart/form-data` body (RFC 7578), and keeps each field as one value. Throws a ProblemError for any other body. */
export async function readForm(bytes: Buffer<ArrayBuffer>, contentType: string): Promise<Form> {
  const boundary = boundaryOf(contentType)
  refuseManyParts(bytes, boundary)
  const fields = new Map<string, string>()
  let file: File | null = null
  for (const [name, value] of await parse(bytes, contentType)) {
    if (typeof value !== 'string') {
      if (file !== null) throw badForm('has more than one file: a request is one input')
      file = value
    } else if (value.includes(replacement) && hasBrokenText(bytes, boundary)) throw badForm('has a text field that is not UTF-8')
    else if (fields.has(name)) throw badForm(`has the field ${JSON.stringify(name.slice(0, 100))} twice`)
    else fields.set(name, value)
  }
  if (file !== null) return { kind: 'file', bytes: await file.bytes(), contentType: file.type || 'application/octet-stream' }
  if (fields.size > 0) return { kind: 'fields', fields }
  throw new ProblemError('WAGGLE_EMPTY_BODY', 'The body has no part: send one file')
}

async function parse(bytes: Buffer<ArrayBuffer>, contentType: string): Promise<FormData> {
  try {
    return await new Response(bytes, { headers: { 'content-type': contentType } }).formData()
  } catch {
    throw badForm('is not a multipart form: see that it is whole, and that its boundary is that of the Content-Type')
  }
}

function boundaryOf(contentType: string): string {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? []
  const boundary = quoted ?? plain
  if (boundary === undefined) throw badForm('cannot be divided: the Content-Type has no boundary of at most 70 characters')
  return boundary
}

/** Refuses a body with too many parts, because each part costs more memory than its bytes. */
function refuseManyParts(bytes: Buffer, boundary: string): void {
  let parts = -1
  for (let at = bytes.indexOf(`--${boundary}`); at >= 0; at = bytes.indexOf(`--${boundary}`, at + 1)) {
    if (++parts > maxParts) throw new ProblemError('WAGGLE_BODY_TOO_LARGE', `The form has more than ${maxParts} parts`)
  }
}

/** True if a field that is not a file contains invalid UTF-8. */
function hasBrokenText(bytes: Buffer, boundary: string): boolean {
  const delimiter = `--${boundary}`
  let start = bytes.indexOf(delimiter)
  for (let end = bytes.indexOf(`\r\n${delimiter}`, start); start >= 0 && end >= 0; end = bytes.indexOf(`\r\n${delimiter}`, start)) {
    const part = bytes.subarray(start + delimiter.length, end)
    const text = part.indexOf('\r\n\r\n') + 4
    const head = part.toString('latin1', 0, text).replace(/"[^"]*"/g, '""')
    if (!/;\s*filename\*?=/i.test(head) && !isUtf8(part.subarray(text))) return true
    start = end + 2
  }
  return false
}

function badForm(detail: string): ProblemError {
  return new ProblemError('WAGGLE_BAD_BODY', `The body ${detail}`)
}

const maxParts = 100
/** The character by which the decoder replaces invalid UTF-8. A valid field may contain this character too. */
const replacement = '\ufffd'
